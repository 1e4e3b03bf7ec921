// postgis.cpp -- a peer over a socket: PostGIS, a prepared query on two connections.
//
//     postgis FOLDER CONNINFO
//
// A GiST index on geography; the nearest first by its distance operator, so that it may stop at ten.
#include <cstring>
#include <thread>

#include <libpq-fe.h>

#include "tries.hpp"

static void must(PGconn *db, PGresult *result, ExecStatusType wanted)
{
    if (PQresultStatus(result) != wanted) {
        fprintf(stderr, "postgis: %s\n", PQerrorMessage(db));
        exit(1);
    }
    PQclear(result);
}

static void load(PGconn *db, const World &w)
{
    must(db, PQexec(db, "CREATE EXTENSION IF NOT EXISTS postgis"), PGRES_COMMAND_OK);
    must(db, PQexec(db, "DROP TABLE IF EXISTS orgs"), PGRES_COMMAND_OK);
    must(db, PQexec(db, "CREATE TABLE orgs(id int PRIMARY KEY, place geography(point), reach int, capacity int, "
                        "skills bigint, week bit(336))"), PGRES_COMMAND_OK);
    must(db, PQexec(db, "COPY orgs FROM STDIN"), PGRES_COPY_IN);
    for (const Org &o : w.orgs) {
        char line[600];
        int len = snprintf(line, sizeof line, "%u\tSRID=4326;POINT(%.7f %.7f)\t%u\t%u\t%ld\t", o.id, o.lon, o.lat,
                           o.reach_m, o.capacity, static_cast<long>(o.skills));
        for (int i = 0; i < 336; i++)
            line[len++] = o.open(i) ? '1' : '0';
        line[len++] = '\n';
        PQputCopyData(db, line, len);
    }
    PQputCopyEnd(db, nullptr);
    must(db, PQgetResult(db), PGRES_COMMAND_OK);
    PQclear(PQgetResult(db));
    must(db, PQexec(db, "CREATE INDEX ON orgs USING gist(place)"), PGRES_COMMAND_OK);
    must(db, PQexec(db, "VACUUM ANALYZE orgs"), PGRES_COMMAND_OK);
}

static PGconn *connect(const char *info)
{
    PGconn *db = PQconnectdb(info);
    if (PQstatus(db) != CONNECTION_OK) {
        fprintf(stderr, "postgis: %s\n", PQerrorMessage(db));
        exit(69);
    }
    PQsetNoticeProcessor(db, [](void *, const char *) {}, nullptr);
    return db;
}

static void prepare(PGconn *db)
{
    must(db, PQprepare(db, "near", "SELECT id FROM orgs WHERE ST_DWithin(place, $1::geography, 30300) AND (skills & $2::bigint) = $2 "
                                   "AND get_bit(week, $3::int) = 1 AND capacity >= $4::int AND ST_Distance(place, $1::geography) <= reach "
                                   "ORDER BY place <-> $1::geography LIMIT 10", 0, nullptr), PGRES_COMMAND_OK);
}

static void ask(PGconn *db, const Order &r, std::vector<uint32_t> &found)
{
    char point[80];
    snprintf(point, sizeof point, "SRID=4326;POINT(%.7f %.7f)", r.lon, r.lat);
    std::string skills = std::to_string(static_cast<long>(r.skills));
    std::string slot = std::to_string(r.slot);
    std::string headcount = std::to_string(r.headcount);
    const char *values[4] = {point, skills.c_str(), slot.c_str(), headcount.c_str()};
    PGresult *result = PQexecPrepared(db, "near", 4, values, nullptr, nullptr, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(stderr, "postgis: %s\n", PQerrorMessage(db));
        exit(1);
    }
    for (int i = 0; i < PQntuples(result); i++)
        found.push_back(static_cast<uint32_t>(atoi(PQgetvalue(result, i, 0))));
    PQclear(result);
}

int main(int argc, char **argv)
{
    const size_t most = 4000;
    if (argc != 3)
        return 64;
    World w = read_world(argv[1]);
    PGconn *dbs[2] = {connect(argv[2]), connect(argv[2])};
    load(dbs[0], w);
    prepare(dbs[0]);
    prepare(dbs[1]);
    if (!compare("PostGIS", w, 500, [&](const Order &r, std::vector<uint32_t> &found) { ask(dbs[0], r, found); }))
        return 1;
    std::vector<double> took[2];
    double start = now_s();
    auto half = [&](int which) {
        std::vector<uint32_t> found;
        for (size_t i = static_cast<size_t>(which); i < most && i < w.orders.size(); i += 2) {
            double began = now_s();
            ask(dbs[which], w.orders[i], found);
            took[which].push_back(now_s() - began);
        }
    };
    std::thread other(half, 1);
    half(0);
    other.join();
    double total = now_s() - start;
    took[0].insert(took[0].end(), took[1].begin(), took[1].end());
    report("PostGIS", w, took[0], total);
    PQfinish(dbs[0]);
    PQfinish(dbs[1]);
    return 0;
}
