#!/usr/bin/env python3
"""The console in a real Chromium, against a real daemon: a dispatcher, an organisation and a supervisor carry
orders through three windows; then five thousand orders wait.

usage: browser.py BUILD life|queue|hostile [PICTURES]; prints one line, and exit code 1 with what was on the page when
something did not hold. Pictures of the pages go to PICTURES (BUILD/pictures)."""
import os, re, shutil, subprocess, sys, tempfile, time

import msgpack
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from powercut import Line

BUILD, WHAT = sys.argv[1], sys.argv[2]
PICTURES = sys.argv[3] if len(sys.argv) > 3 else os.path.join(BUILD, "pictures")
VILLAGE = 441302001001


class Daemon:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="paidan-browser.")
        socket = os.path.join(self.directory, "sock")
        log = os.path.join(self.directory, "log")
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, "paidand"), "--data", os.path.join(self.directory, "data"), "--listen", "unix:" + socket,
                 "--listen", "http:127.0.0.1:0", "--regions", "conf/huizhou/regions.csv", "--codes", "conf/huizhou",
                 "--disk-reserve-mib", "0"], stderr=out, stdout=out)
        for _ in range(400):
            try:
                self.line = Line(socket)
                break
            except OSError:
                time.sleep(0.05)
        self.unpacker = msgpack.Unpacker()
        at = None
        for _ in range(400):
            with open(log) as file:
                at = re.search(r"address=http:127\.0\.0\.1:(\d+)\s", file.read())
            if at is not None:
                break
            time.sleep(0.05)
        self.page = "http://127.0.0.1:" + at.group(1)

    def call(self, method, **params):
        return self.many([(method, params)])[0]

    def many(self, requests):
        self.line.send(b"".join(msgpack.packb([0, i, method, [params]]) for i, (method, params) in enumerate(requests)))
        answers = {}
        while len(answers) < len(requests):
            self.unpacker.feed(self.line.socket.recv(1 << 20))
            for message in self.unpacker:
                assert message[2] is None, message[2]
                answers[message[1]] = message[3]
        return [answers[i] for i in range(len(requests))]

    def end(self):
        self.process.terminate()
        assert self.process.wait(30) == 0
        shutil.rmtree(self.directory)


def open_browser():
    options = Options()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--window-size=1366,768", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = "/usr/bin/chromium"
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


class Person:
    """One window, with one token."""

    def __init__(self, browser, page, token, name):
        self.browser, self.name = browser, name
        browser.switch_to.new_window("window")
        self.window = browser.current_window_handle
        browser.get(page)
        self.wait("#token").send_keys(token + Keys.ENTER)

    def here(self):
        self.browser.switch_to.window(self.window)

    def wait(self, selector, text=None, seconds=20):
        self.here()

        def look(browser):
            for found in browser.find_elements(By.CSS_SELECTOR, selector):
                try:
                    if found.is_displayed() and (text is None or text in found.text):
                        return found
                except Exception: # drawn anew in the meantime
                    pass
            return None

        try:
            return WebDriverWait(self.browser, seconds, poll_frequency=0.1).until(look)
        except Exception:
            self.picture("failed")
            raise AssertionError("%s: no %s with %s; the page says: %s" % (
                self.name, selector, text, self.browser.find_element(By.TAG_NAME, "body").text[:800])) from None

    def press(self, selector, text=None):
        for attempt in range(5):
            try:
                self.wait(selector, text).click()
                return
            except AssertionError:
                raise
            except Exception: # drawn anew between the look and the press
                time.sleep(0.2)
        raise AssertionError("%s: %s cannot be pressed" % (self.name, selector))

    def picture(self, what):
        self.here()
        os.makedirs(PICTURES, exist_ok=True)
        self.browser.save_screenshot(os.path.join(PICTURES, "%s-%s.png" % (self.name, what)))


def complaints(browser):
    """What the browser complained of, but for refusals, which are part of it."""
    return [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE" and "the server responded with a status" not in e["message"]]


def is_named(person):
    """Whatever can be pressed or filled in says what it is to those who do not see it."""
    person.here()
    for found in person.browser.find_elements(By.CSS_SELECTOR, "button, input, select, textarea, [role=listbox], [role=region], .chart canvas"):
        assert not found.is_displayed() or found.accessible_name, "%s: without a name: %s" % (person.name, found.get_attribute("outerHTML")[:200])


def put_orgs(d):
    orgs = [(7, "桥东法律服务队", 23.0870, 114.4150), (8, "东湖邻里互助队", 23.0890, 114.4200), (9, "江北律师志愿团", 23.1080, 114.4100)]
    d.many([("org.put", dict(id=i, name=name, region=VILLAGE, lat=lat, lon=lon, skills=["legal_aid"], capacity=5, reach_m=8000))
            for i, name, lat, lon in orgs])


def place(d, number, **more):
    return d.call("order.place", ref="r%d" % number, region=VILLAGE, category="legal_aid",
                  **{"contact": {"name": "王金丝雀", "phone": "13800001111", "address": "东湖一街"}, **more})["order"]


def place_by_form(resident):
    """An order through the form: first wrong, and told so at the field, then right; its number."""
    resident.press("#send")
    resident.wait("[data-field=category] .error", "此项必填")
    Select(resident.wait("[name=category]")).select_by_value("legal_aid")
    for name, text in (("county", "惠城区"), ("town", "桥东街道")):
        WebDriverWait(resident.browser, 10).until(lambda b: any(o.text == text for o in Select(b.find_element(By.NAME, name)).options))
        Select(resident.wait("[name=%s]" % name)).select_by_visible_text(text)
    WebDriverWait(resident.browser, 10).until(lambda b: any(o.get_attribute("value") == str(VILLAGE) for o in Select(b.find_element(By.NAME, "region")).options))
    Select(resident.wait("[name=region]")).select_by_value(str(VILLAGE))
    for name, text in (("contact.name", "王金丝雀"), ("contact.phone", "13800001111"), ("contact.address", "东湖一街")):
        resident.wait("[name='%s']" % name).send_keys(text)
    Select(resident.wait("[name=relation]")).select_by_value("grid_worker")
    headcount = resident.wait("[name=headcount]")
    headcount.clear()
    headcount.send_keys("many")
    resident.press("#send")
    resident.wait("[data-field=headcount] .error", "headcount must be")
    headcount.clear()
    headcount.send_keys("20000")
    resident.press("#send")
    resident.wait("[data-field=headcount] .error", "1 – 10000")
    resident.picture("form")
    headcount.clear()
    headcount.send_keys("1")
    resident.press("#send")
    return int(resident.wait("#placed li[data-order]").get_attribute("data-order"))


def life(d, browser):
    put_orgs(d)
    tokens = [d.call("token.add", token_id=i, **more)["token"] for i, more in (
        ("desk", dict(roles="dispatcher", region=VILLAGE)), ("desk2", dict(roles="dispatcher", region=VILLAGE)), ("team", dict(roles="org", org=7)),
        ("board", dict(roles="supervisor", region=4413)), ("resident", dict(roles="platform", region=4413)))]
    desk, other, team, board, resident = (Person(browser, d.page, token, name) for token, name in zip(tokens, ("desk", "desk2", "team", "board", "resident")))
    first = place_by_form(resident)
    desk.press(".row", "法律援助")
    desk.wait(".candidates li", "桥东法律服务队")
    desk.press("#claim")
    desk.wait(".row small", "token:desk")
    other.press(".row", "法律援助") # two desks, one order: the second is told whose it is
    other.press("#claim")
    other.wait("#toasts .bad", "他人正在处理")
    other.wait(".row small", "token:desk")
    desk.here()
    desk.press("#org-7")
    desk.picture("candidates")
    desk.press("#dispatch")
    desk.wait(".offers .pending", "桥东法律服务队")
    assert "金丝雀" not in desk.browser.page_source
    team.wait("#inbox li", "法律援助") # without loading the page again
    assert "金丝雀" not in team.browser.page_source, "personal data before acceptance"
    team.picture("inbox")
    team.press("#inbox .accept")
    team.press("#under-way .contact")
    team.wait("#under-way dd", "13800001111")
    desk.wait("#order-state", "已接单")
    team.press("#under-way .begin")
    desk.wait("#order-state", "服务中")
    team.wait("#under-way .volunteer").send_keys("4711")
    minutes = team.wait("#under-way .minutes")
    minutes.clear()
    minutes.send_keys("500") # more than eight hours: they wait for the dispatcher's word
    team.picture("records")
    team.press("#under-way .complete")
    desk.wait("#order-state", "待评单")
    desk.press("summary", "待审核时长")
    desk.wait("#held li", "4711")
    desk.press("#held .grant")
    resident.wait("#placed .badge", "待评单") # without loading the page again
    resident.press("#placed [data-stars='5']")
    resident.wait("#placed .stars", "★★★★★")
    resident.picture("rated")
    desk.wait("#order-state", "已归档")
    assert d.call("volunteer.get", volunteer=4711)["minutes"] == 500
    assert d.call("order.get", order=first)["stars"] == 5
    second = place(d, 2)
    desk.press(".row", "法律援助")
    desk.wait(".candidates li", "桥东法律服务队")
    rank = [c.get_attribute("data-org") for c in browser.find_elements(By.CSS_SELECTOR, ".candidates li")].index("7") + 1
    desk.wait("main").send_keys(str(rank)) # by the keyboard
    desk.wait(".candidates li[data-org='7'] input:checked")
    desk.wait("main").send_keys("d")
    team_offer = team.wait("#inbox li")
    Select(team_offer.find_element(By.TAG_NAME, "select")).select_by_value("no_people")
    team.press("#inbox .decline")
    desk.wait(".offers .declined", "桥东法律服务队")
    desk.wait(".ticker li", "没有空余人手")
    desk.picture("declined")
    d.many([("order.place", dict(ref="far%d" % i, region=441302001003, category="legal_aid", lat=23.0870 + 0.01 * (i % 2), lon=114.4150)) for i in range(10)])
    board.press("nav button", "志愿地图")
    board.wait(".board table th", "已归档")
    board.wait("#circle", "50 %") # five of eleven are at a team's door (counts are rounded down in fives); five lie a kilometre away, and one was declined by who is near
    board.press("#places button", "惠城区")
    board.wait("#places th", "桥东街道")
    drawn = "return ['supply-chart', 'spread-chart'].every((id) => { const c = document.getElementById(id); return c.width > 0 && c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v !== 0); })"
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(drawn))
    board.picture("map")
    board.press("#emergency button") # nothing filled in: the field says so
    board.wait("[data-field=until] .error", "此项必填")
    board.here()
    browser.execute_script("document.getElementById('field-until').value = '%s'" % time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() - 3600)))
    board.press("#emergency button") # an end that is past
    board.wait("[data-field=until] .error", "此项超出允许范围")
    browser.execute_script("document.getElementById('field-until').value = '%s'" % time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() + 7200)))
    board.press("#emergency button")
    board.wait("#emergencies li", "惠城区")
    desk.wait("#banner", "惠城区")
    board.press("#emergencies button")
    board.wait("#emergencies li", "无")
    board.press("#language")
    board.press("nav button", "Volunteer map")
    board.wait(".board h3", "Supply against demand")
    for person in (desk, team, board, resident):
        is_named(person)
    team.here()
    browser.set_window_size(390, 844)
    team.picture("phone")
    width = browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0, "the phone's page is %d px too wide" % width
    assert d.call("order.get", order=second)["state"] == "ready"
    complained = complaints(browser)
    assert complained == [], complained
    return "orders=2 windows=5"


def queue(d, browser):
    put_orgs(d)
    token = d.call("token.add", token_id="desk", roles="dispatcher", region=441302)["token"]
    for at in range(0, 5000, 500):
        d.many([("order.place", dict(ref="q%d" % i, region=VILLAGE, category="legal_aid",
                                     priority=("routine", "routine", "urgent", "emergency")[i % 4])) for i in range(at, at + 500)])
    began = time.monotonic()
    desk = Person(browser, d.page, token, "queue")
    desk.wait("#waiting", "5000", 30)
    took = time.monotonic() - began
    rows = len(browser.find_elements(By.CSS_SELECTOR, ".row"))
    assert 5 <= rows < 100, "%d rows exist" % rows # not five thousand of them
    assert "emergency" in browser.find_element(By.CSS_SELECTOR, ".row").get_attribute("class")
    desk.wait("main").send_keys("j")
    desk.wait(".row.chosen")
    for _ in range(30):
        desk.wait("main").send_keys("j")
    desk.wait(".row.chosen[aria-posinset='31']")
    browser.execute_script("document.querySelector('.long').scrollTop = 1e9")
    desk.wait(".row[aria-posinset='5000']")
    desk.wait(".queue input").send_keys("emergency")
    desk.wait(".row[aria-setsize='1250']")
    desk.picture("five-thousand")
    place(d, 1, priority="emergency")
    desk.wait("#waiting", "5001")
    complained = complaints(browser)
    assert complained == [], complained
    return "orders=5001 shown_after_s=%.1f rows_in_the_page=%d" % (took, rows)


HOSTILE = ('<img src=x onerror="document.title=1">', '<meta http-equiv=refresh content="0;url=/healthz">',
           '"><script>document.title=1</script>', "javascript:document.title=1")


def is_unharmed(person, page):
    """No name became an element, ran, or sent the page away."""
    person.here()
    browser = person.browser
    assert browser.current_url.startswith(page) and "healthz" not in browser.current_url, browser.current_url
    assert browser.title != "1", "%s: a name ran" % person.name
    for selector in ("body meta", "img[src=x]", "[onerror]", "body script:not([src])", "a[href^='javascript:']", "main img:not([class^=leaflet])"):
        found = browser.find_elements(By.CSS_SELECTOR, selector)
        assert not found, "%s: %s: %s" % (person.name, selector, found[0].get_attribute("outerHTML"))


def hostile(d, browser):
    for i, name in enumerate(HOSTILE):
        d.call("org.put", id=7 + i, name=name, region=VILLAGE, lat=23.0870 + i / 1000, lon=114.4150, skills=["legal_aid"], capacity=5, reach_m=8000)
    orders = [d.call("order.place", ref="h%d" % i, region=VILLAGE, category="legal_aid", lat=23.0871, lon=114.4151, external_id=name[:40],
                     contact=dict(name=name, phone=name[:20], address=name), note=name)["order"] for i, name in enumerate(HOSTILE)]
    tokens = {who: d.call("token.add", token_id=who, **params)["token"] for who, params in
              (("desk", dict(roles="dispatcher", region=441302)), ("team", dict(roles="org", org=7)), ("board", dict(roles="supervisor", region=441302)))}
    desk = Person(browser, d.page, tokens["desk"], "hostile-desk")
    desk.wait(".row")
    # every name on the map is shown at once, as if each were pointed at
    browser.execute_script("""const bind = L.Layer.prototype.bindTooltip;
        L.Layer.prototype.bindTooltip = function (content, options) { return bind.call(this, content, { ...options, permanent: true }); };""")
    desk.press(".row")
    desk.wait(".leaflet-tooltip", "refresh")
    is_unharmed(desk, d.page)
    d.call("order.dispatch", order=orders[0], orgs=[7])
    team = Person(browser, d.page, tokens["team"], "hostile-team")
    team.wait("main")
    d.call("offer.accept", offer=d.call("offer.list", org=7)["items"][0]["offer"])
    board = Person(browser, d.page, tokens["board"], "hostile-board")
    board.wait("main")
    time.sleep(1) # whatever would run has run
    for person in (desk, team, board):
        is_unharmed(person, d.page)
    complained = complaints(browser)
    assert complained == [], complained
    return "names=%d windows=3" % len(HOSTILE)


def main():
    d = Daemon()
    browser = open_browser()
    try:
        print("browser %s held: %s" % (WHAT, {"life": life, "queue": queue, "hostile": hostile}[WHAT](d, browser)))
        code = 0
    except AssertionError as why:
        print("browser %s DID NOT HOLD: %s" % (WHAT, why))
        code = 1
    finally:
        browser.quit()
        d.end()
    sys.exit(code)


main()
