# paidan: build, test, run. `make help` lists the targets.
CC ?= cc
CFLAGS ?= -O2 -g
BUILD ?= build
VERSION := 0.1.0
SANITIZE ?=
PACKAGES := gcc make pkg-config libevent-dev libsqlite3-dev libmsgpack-dev libhiredis-dev \
            libjansson-dev libcsv-dev libssl-dev openssl libjs-leaflet libjs-chart.js check redis-server python3-pynvim python3-msgpack patch tzdata
BROWSER_PACKAGES := chromium chromium-driver python3-selenium fonts-noto-cjk prometheus # the console and the alerts are tried with real ones
PROGRAMS := $(BUILD)/paidand $(BUILD)/paidan $(BUILD)/paidan-bench
MODULES := libevent_core libevent_extra libevent_pthreads libevent_openssl libssl libcrypto sqlite3 msgpack hiredis jansson
CPPFLAGS += -I. -D_GNU_SOURCE -DPAIDAN_VERSION='"$(VERSION)"' -D_FORTIFY_SOURCE=3
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
        -Wimplicit-fallthrough -Wswitch -Wundef -Wvla -Wcast-align -Wwrite-strings
flag_of = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(1))
HARDEN := -fstack-protector-strong $(call flag_of,-fstack-clash-protection) $(call flag_of,-fcf-protection)
ZEROED := $(call flag_of,-ftrivial-auto-var-init=zero)
override CFLAGS += -std=c11 $(WARN) $(HARDEN) -fPIE -pthread
LDFLAGS += -pie -Wl,-z,relro,-z,now -pthread
ifdef STRICT
override CFLAGS += -Werror
endif
ifneq ($(SANITIZE),)
override CFLAGS += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
CPPFLAGS += -U_FORTIFY_SOURCE -DPAIDAN_DEBUG
LDFLAGS += -fsanitize=$(SANITIZE)
endif
LIBS = $(shell pkg-config --libs $(MODULES)) -lcsv -lm
CHECK_LIBS = $(shell pkg-config --libs check)

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))
MAINS := $(BUILD)/proto/main_paidand.o $(BUILD)/proto/main_paidan.o
ENGINE := $(call objects,engine)
STORE := $(call objects,store)
PROTO := $(filter-out $(MAINS),$(call objects,proto))

.DEFAULT_GOAL := all
.PHONY: all deps run demo test check asan tsan clang lint purity bench bench-peers coverage sim mutants fuzz afl scoreboard docs install deb format clean help

all: deps ## build everything (installs missing packages first)
	@$(MAKE) --no-print-directory programs

.PHONY: programs testbin
programs: $(PROGRAMS) $(BUILD)/libpaidan-engine.a

testbin: $(BUILD)/tests/run $(BUILD)/tests/sim $(BUILD)/tests/forget.so

deps: ## install the Debian packages that are missing
	@sh tests/deps.sh $(PACKAGES)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# The edges only: in the engine it costs a sixth of the matches, and nothing of a stranger's is there.
$(STORE) $(PROTO) $(MAINS): override CFLAGS += $(ZEROED)

$(BUILD)/proto/console.o: $(wildcard proto/console/*) conf/huizhou/counties.geojson

$(BUILD)/engine/sift.o: override CFLAGS += -O3 # the one loop that is worth vector instructions

$(BUILD)/libpaidan-engine.a: $(ENGINE)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/paidand: $(BUILD)/proto/main_paidand.o $(PROTO) $(STORE) $(ENGINE)
	$(CC) $(LDFLAGS) $^ -o $@ $(LIBS)

$(BUILD)/paidan: $(BUILD)/proto/main_paidan.o $(PROTO) $(STORE) $(ENGINE)
	$(CC) $(LDFLAGS) $^ -o $@ $(LIBS)

$(BUILD)/paidan-bench: $(call objects,bench) $(PROTO) $(STORE) $(ENGINE)
	$(CC) $(LDFLAGS) $^ -o $@ $(LIBS)

RIG_MAIN := $(BUILD)/tests/rig/main.o
RIG := $(filter-out $(RIG_MAIN) $(BUILD)/tests/rig/forget.o,$(call objects,tests/rig))

$(BUILD)/tests/forget.so: tests/rig/forget.c
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -D_GNU_SOURCE -fPIC -shared $< -o $@ -ldl

$(BUILD)/tests/sim: $(RIG_MAIN) $(RIG) $(PROTO) $(STORE) $(ENGINE)
	$(CC) $(LDFLAGS) $^ -o $@ $(LIBS)

$(BUILD)/tests/run: $(call objects,tests) $(BUILD)/tests/fuzz/targets.o $(RIG) $(PROTO) $(STORE) $(ENGINE)
	$(CC) $(LDFLAGS) $^ -o $@ $(CHECK_LIBS) $(LIBS)

run: all ## start paidand on Huizhou, walk one order through its life, keep serving
	@sh tests/demo.sh $(BUILD) serve

demo: all ## the same, then stop
	@sh tests/demo.sh $(BUILD)

test: all ## build and run every test
	@sh tests/deps.sh $(BROWSER_PACKAGES)
	@$(MAKE) --no-print-directory check

check: programs testbin
	@$(MAKE) --no-print-directory purity
	@sh tests/check.sh $(BUILD) $(JOBS)

asan: deps ## the whole suite under AddressSanitizer and UBSan, each match held against a full scan
	@sh tests/deps.sh $(BROWSER_PACKAGES)
	@$(MAKE) --no-print-directory check BUILD=build-asan SANITIZE=address,undefined

tsan: deps ## the whole suite under ThreadSanitizer
	@sh tests/deps.sh $(BROWSER_PACKAGES)
	$(MAKE) check BUILD=build-tsan SANITIZE=thread

clang: ## build everything with clang, warnings as errors
	@sh tests/deps.sh clang
	$(MAKE) programs testbin CC=clang BUILD=build-clang STRICT=1

lint: ## clang's and gcc's static analysis and cppcheck over engine, store, proto (four minutes)
	@sh tests/deps.sh clang cppcheck
	@sh tests/lint.sh

purity: programs ## prove the engine pure and the arrows one-way
	@sh tests/purity.sh $(BUILD)

PEERS := rtree sqlite_rtree redis_geo postgis beanstalk sqlite_rows assign_lemon
PEER_PACKAGES := g++ libboost-dev libpq-dev liblemon-dev postgresql-15-postgis-3 beanstalkd gnuplot-nox

bench: all ## measure paidan: tables and plots into build/figures (six minutes)
	@sh bench/run.sh $(BUILD)

bench-peers: all ## the same beside its peers, installed from Debian
	@sh tests/deps.sh $(PEER_PACKAGES)
	@$(MAKE) --no-print-directory $(PEERS:%=$(BUILD)/peers/%)
	@sh bench/run.sh $(BUILD) peers

$(BUILD)/peers/%: bench/peers/%.cpp bench/peers/world.hpp bench/peers/tries.hpp
	@mkdir -p $(@D)
	$(CXX) -O2 -march=native -std=c++17 -Wall -Wno-deprecated-declarations -I$(shell pg_config --includedir) $< -o $@ -pthread -lsqlite3 -lhiredis -lpq

sim: all ## RUNS simulated runs from SEED on; then crash points, failing I/O and memory, trespassers
	@$(MAKE) --no-print-directory testbin
	$(BUILD)/tests/sim run $(or $(SEED),1) $(or $(RUNS),200)
	$(BUILD)/tests/sim crashes $(or $(SEED),1) 0 1 4
	$(BUILD)/tests/sim faults $(or $(SEED),1) 1 13
	$(BUILD)/tests/sim memory $(or $(SEED),1) 1 97
	$(BUILD)/tests/sim trespass $(or $(SEED),1) 100000

mutants: all ## build each planted bug into a simulator, which must notice it
	@$(MAKE) --no-print-directory testbin
	@sh tests/mutants.sh $(BUILD) 3000

scoreboard: all ## measure reliability and security, write tests/SCOREBOARD.md (ten minutes)
	@$(MAKE) --no-print-directory testbin
	@sh tests/scoreboard.sh $(BUILD)

coverage: deps ## lines and branches that the suite goes through
	-$(MAKE) --no-print-directory check BUILD=build-cov CFLAGS="-O0 -g --coverage" LDFLAGS="-pie -pthread --coverage"
	@sh tests/coverage.sh build-cov

FUZZ_TARGETS := frame request settings table redis heads http
FUZZ_SOURCES = $(wildcard engine/*.c store/*.c) $(filter-out proto/main_%,$(wildcard proto/*.c)) tests/fuzz/targets.c

build-fuzz/%: tests/fuzz/entry.c $(FUZZ_SOURCES)
	@mkdir -p build-fuzz
	clang -O1 -g -std=c11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -pthread $(CPPFLAGS) \
	    -U_FORTIFY_SOURCE -DTARGET_NAME=$* $^ -o $@ $(LIBS)

fuzz: ## libFuzzer on every target, MINUTES=1 each; what it finds stays in build-fuzz
	@sh tests/deps.sh clang libclang-rt-14-dev
	@$(MAKE) --no-print-directory $(FUZZ_TARGETS:%=build-fuzz/%)
	@sh tests/fuzz/run.sh $(or $(MINUTES),1) $(FUZZ_TARGETS)

build-afl/%: tests/fuzz/entry.c $(FUZZ_SOURCES)
	@mkdir -p build-afl
	AFL_QUIET=1 AFL_USE_ASAN=1 AFL_USE_UBSAN=1 afl-clang-fast -O1 -g -std=c11 -fsanitize=fuzzer -pthread $(CPPFLAGS) \
	    -U_FORTIFY_SOURCE -DTARGET_NAME=$* $^ -o $@ $(LIBS)

afl: ## the same targets under AFL++, MINUTES=1 each; what it finds stays in build-afl
	@sh tests/deps.sh afl++ clang libclang-rt-14-dev
	@$(MAKE) --no-print-directory $(FUZZ_TARGETS:%=build-afl/%)
	@sh tests/fuzz/afl.sh $(or $(MINUTES),1) $(FUZZ_TARGETS)

docs: $(BUILD)/paidand ## write proto/PROTOCOL.md and conf/paidan.conf from the tables
	$(BUILD)/paidand --protocol > proto/PROTOCOL.md
	$(BUILD)/paidand --sample > conf/paidan.conf

prefix ?= /usr/local
DESTDIR ?=
share = $(DESTDIR)$(prefix)/share

install: programs ## put programs, tables, man pages, unit, completion under DESTDIR and prefix
	install -D -m 755 -t $(DESTDIR)$(prefix)/bin $(PROGRAMS)
	install -D -m 644 -t $(share)/paidan/huizhou conf/huizhou/*
	install -D -m 644 conf/alerts.yml $(share)/paidan/alerts.yml
	install -D -m 644 conf/dashboard.json $(share)/paidan/dashboard.json
	install -d $(share)/man/man1 $(share)/man/man5 $(share)/man/man8
	$(BUILD)/paidan --manual | gzip -9n >$(share)/man/man1/paidan.1.gz
	$(BUILD)/paidand --manual paidand.conf | gzip -9n >$(share)/man/man5/paidand.conf.5.gz
	$(BUILD)/paidand --manual paidand | gzip -9n >$(share)/man/man8/paidand.8.gz
	install -D -m 644 conf/paidan.bash $(share)/bash-completion/completions/paidan
	install -D -m 644 conf/paidand.service $(DESTDIR)/lib/systemd/system/paidand.service
	sed -i 's|/usr/bin/|$(prefix)/bin/|' $(DESTDIR)/lib/systemd/system/paidand.service
	install -d -m 755 $(DESTDIR)/etc/paidan
	test -e $(DESTDIR)/etc/paidan/paidan.conf || { sed -e 's|^#regions = .*|regions = $(prefix)/share/paidan/huizhou/regions.csv|' \
	    -e 's|^#codes = .*|codes = $(prefix)/share/paidan/huizhou|' conf/paidan.conf >$(DESTDIR)/etc/paidan/paidan.conf; }

deb: all ## a Debian package of what is built, in BUILD
	@sh tests/deb.sh $(BUILD) $(VERSION)

format: ## lay the code out by .clang-format
	clang-format -i engine/*.[ch] store/*.[ch] proto/*.[ch] tests/*.[ch] bench/*.[ch]

clean: ## remove what was built
	rm -rf build build-cov build-asan build-tsan build-clang build-fuzz build-afl

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
