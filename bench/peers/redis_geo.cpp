// redis_geo.cpp -- a peer over a socket: Redis GEOSEARCH and a Lua filter, pipelined.
//
//     redis_geo FOLDER SOCKET
//
// The script walks the organisations nearest first and stops at ten that fit.
#include <cstring>

#include <hiredis/hiredis.h>

#include "tries.hpp"

// A record is 64 skills and 336 half-hours as 0 and 1, then the reach and the capacity: what tells most
// is one byte at a known place.
static const char script[] =
    "local near = redis.call('GEOSEARCH', 'places', 'FROMLONLAT', ARGV[1], ARGV[2], 'BYRADIUS', 30300, 'm', 'ASC', 'WITHDIST') "
    "local found, slot, people, n = {}, tonumber(ARGV[4]) + 65, tonumber(ARGV[3]), #ARGV "
    "for _, e in ipairs(near) do "
    "  local o = redis.call('GET', e[1]) "
    "  local good, i = string.byte(o, slot) == 49, 5 "
    "  while good and i <= n do good = string.byte(o, tonumber(ARGV[i]) + 1) == 49; i = i + 1 end "
    "  if good and tonumber(e[2]) <= tonumber(string.sub(o, 401, 406)) and people <= tonumber(string.sub(o, 407)) then "
    "    found[#found + 1] = e[1]; if #found == 10 then break end "
    "  end "
    "end "
    "return found";

static void load(redisContext *redis, const World &w)
{
    for (const Org &o : w.orgs) {
        std::string skills, week;
        for (int i = 0; i < 64; i++)
            skills += (o.skills >> i & 1) != 0 ? '1' : '0';
        for (int i = 0; i < 336; i++)
            week += o.open(i) ? '1' : '0';
        redisAppendCommand(redis, "GEOADD places %.7f %.7f %u", o.lon, o.lat, o.id);
        char rest[16];
        snprintf(rest, sizeof rest, "%06u%u", o.reach_m, o.capacity);
        redisAppendCommand(redis, "SET %u %s", o.id, (skills + week + rest).c_str());
        if (o.id % 1000 != 0 && o.id != w.orgs.size())
            continue;
        void *reply;
        for (size_t i = 0; i < 2 * (o.id % 1000 == 0 ? 1000 : w.orgs.size() % 1000); i++) {
            redisGetReply(redis, &reply);
            freeReplyObject(reply);
        }
    }
}

static void ask(redisContext *redis, const std::string &sha, const Order &r)
{
    std::vector<std::string> parts = {"EVALSHA", sha, "0", std::to_string(r.lon), std::to_string(r.lat),
                                      std::to_string(r.headcount), std::to_string(r.slot)};
    for (int i = 0; i < 64; i++)
        if ((r.skills >> i & 1) != 0)
            parts.push_back(std::to_string(i));
    std::vector<const char *> argv;
    for (const std::string &part : parts)
        argv.push_back(part.c_str());
    redisAppendCommandArgv(redis, static_cast<int>(argv.size()), argv.data(), nullptr);
}

static void take(redisContext *redis, std::vector<uint32_t> &found)
{
    redisReply *reply = nullptr;
    if (redisGetReply(redis, reinterpret_cast<void **>(&reply)) != REDIS_OK || reply->type != REDIS_REPLY_ARRAY) {
        fprintf(stderr, "redis_geo: %s\n", reply != nullptr ? reply->str : redis->errstr);
        exit(1);
    }
    for (size_t i = 0; i < reply->elements; i++)
        found.push_back(static_cast<uint32_t>(atoi(reply->element[i]->str)));
    freeReplyObject(reply);
}

int main(int argc, char **argv)
{
    const size_t most = 10000;
    const size_t pipeline = 32;
    if (argc != 3)
        return 64;
    World w = read_world(argv[1]);
    redisContext *redis = redisConnectUnix(argv[2]);
    if (redis == nullptr || redis->err != 0)
        return 69;
    load(redis, w);
    redisReply *loaded = static_cast<redisReply *>(redisCommand(redis, "SCRIPT LOAD %s", script));
    std::string sha = loaded->str;
    freeReplyObject(loaded);
    Find find = [&](const Order &r, std::vector<uint32_t> &found) {
        ask(redis, sha, r);
        take(redis, found);
    };
    if (!compare("Redis GEO and Lua", w, 2000, find))
        return 1;
    std::vector<double> took, began;
    std::vector<uint32_t> found;
    double start = now_s();
    size_t count = std::min(most, w.orders.size());
    for (size_t sent = 0, got = 0; got < count; got++) {
        for (; sent < count && sent - got < pipeline; sent++) {
            began.push_back(now_s());
            ask(redis, sha, w.orders[sent]);
        }
        take(redis, found);
        took.push_back(now_s() - began[got]);
    }
    report("Redis GEO and Lua", w, took, now_s() - start);
    redisFree(redis);
    return 0;
}
