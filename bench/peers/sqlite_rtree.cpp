// sqlite_rtree.cpp -- a peer in process: SQLite's R*Tree of reaches, in memory, a prepared query.
//
//     sqlite_rtree FOLDER
#include <cstring>

#include <sqlite3.h>

#include "tries.hpp"

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        fprintf(stderr, "sqlite_rtree: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

static void load(sqlite3 *db, const World &w)
{
    sqlite3_stmt *org, *place;
    run(db, "CREATE TABLE orgs(id INTEGER PRIMARY KEY, reach INTEGER, capacity INTEGER, skills INTEGER, week TEXT);"
            "CREATE VIRTUAL TABLE place USING rtree(id, south, north, west, east); BEGIN");
    sqlite3_prepare_v2(db, "INSERT INTO orgs VALUES(?,?,?,?,?)", -1, &org, nullptr);
    sqlite3_prepare_v2(db, "INSERT INTO place VALUES(?,?,?,?,?)", -1, &place, nullptr);
    for (const Org &o : w.orgs) {
        std::string week;
        for (int i = 0; i < 336; i++)
            week += o.open(i) ? '1' : '0';
        double dlat = o.reach_m * 1.01 / 111000;
        double dlon = dlat / cos(o.lat * M_PI / 180);
        sqlite3_bind_int64(org, 1, o.id);
        sqlite3_bind_int64(org, 2, o.reach_m);
        sqlite3_bind_int64(org, 3, o.capacity);
        sqlite3_bind_int64(org, 4, static_cast<sqlite3_int64>(o.skills));
        sqlite3_bind_text(org, 5, week.c_str(), -1, SQLITE_TRANSIENT);
        sqlite3_step(org);
        sqlite3_reset(org);
        sqlite3_bind_int64(place, 1, o.id);
        sqlite3_bind_double(place, 2, o.lat - dlat);
        sqlite3_bind_double(place, 3, o.lat + dlat);
        sqlite3_bind_double(place, 4, o.lon - dlon);
        sqlite3_bind_double(place, 5, o.lon + dlon);
        sqlite3_step(place);
        sqlite3_reset(place);
    }
    sqlite3_finalize(org);
    sqlite3_finalize(place);
    run(db, "COMMIT; ANALYZE");
}

int main(int argc, char **argv)
{
    sqlite3 *db;
    sqlite3_stmt *query;
    if (argc != 2)
        return 64;
    World w = read_world(argv[1]);
    sqlite3_open(":memory:", &db);
    load(db, w);
    sqlite3_prepare_v2(db, "SELECT o.id FROM place p JOIN orgs o ON o.id = p.id WHERE p.south <= ?1 AND p.north >= ?1 "
                           "AND p.west <= ?2 AND p.east >= ?2 AND (o.skills & ?3) = ?3 AND "
                           "substr(o.week, ?4 + 1, 1) = '1' AND o.capacity >= ?5", -1, &query, nullptr);
    std::vector<std::pair<double, uint32_t>> near;
    Find find = [&](const Order &r, std::vector<uint32_t> &found) {
        near.clear();
        sqlite3_bind_double(query, 1, r.lat);
        sqlite3_bind_double(query, 2, r.lon);
        sqlite3_bind_int64(query, 3, static_cast<sqlite3_int64>(r.skills));
        sqlite3_bind_int(query, 4, r.slot);
        sqlite3_bind_int64(query, 5, r.headcount);
        while (sqlite3_step(query) == SQLITE_ROW) {
            const Org &o = w.orgs[static_cast<size_t>(sqlite3_column_int64(query, 0)) - 1];
            double d = distance_m(o, r);
            if (d <= o.reach_m)
                near.emplace_back(d, o.id);
        }
        sqlite3_reset(query);
        size_t most = std::min<size_t>(10, near.size());
        std::partial_sort(near.begin(), near.begin() + static_cast<long>(most), near.end());
        for (size_t i = 0; i < most; i++)
            found.push_back(near[i].second);
    };
    if (!compare("SQLite R*Tree", w, 500, find))
        return 1;
    measure("SQLite R*Tree", w, 2000, find);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return 0;
}
