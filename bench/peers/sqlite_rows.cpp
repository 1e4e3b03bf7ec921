// sqlite_rows.cpp -- the limit of durable lives: SQLite alone writing the very rows of a run of ours.
//
//     sqlite_rows FOLDER LIVES_A_COMMIT     a folder that `paidan-bench lifecycle --keep` left
//
// The rows are in memory before the clock runs. Each commit writes the first state of so many lives
// (order, offer, all but the last event, the ref) and the second state of those before (order and
// offer again, the last event, the tally), with our settings, one thread, nobody to answer.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "world.hpp"

struct Cell {
    int type; // SQLITE_INTEGER, SQLITE_TEXT or SQLITE_BLOB; anything else is NULL
    sqlite3_int64 number;
    std::string bytes;
};
using Row = std::vector<Cell>;

struct Table {
    std::vector<Row> rows;
    sqlite3_stmt *put = nullptr;
};

static void run(sqlite3 *db, const std::string &sql)
{
    if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        fprintf(stderr, "sqlite_rows: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

static Table read(sqlite3 *from, sqlite3 *to, const char *name, const char *order, long most)
{
    Table table;
    sqlite3_stmt *query;
    std::string sql = "SELECT * FROM " + std::string(name) + " ORDER BY " + order + " LIMIT " + std::to_string(most);
    if (sqlite3_prepare_v2(from, sql.c_str(), -1, &query, nullptr) != SQLITE_OK) {
        fprintf(stderr, "sqlite_rows: %s\n", sqlite3_errmsg(from));
        exit(1);
    }
    int columns = sqlite3_column_count(query);
    while (sqlite3_step(query) == SQLITE_ROW) {
        Row row;
        for (int i = 0; i < columns; i++)
            row.push_back({sqlite3_column_type(query, i), sqlite3_column_int64(query, i),
                           std::string(static_cast<const char *>(sqlite3_column_blob(query, i)) != nullptr
                                           ? static_cast<const char *>(sqlite3_column_blob(query, i)) : "",
                                       static_cast<size_t>(sqlite3_column_bytes(query, i)))});
        table.rows.push_back(row);
    }
    sqlite3_finalize(query);
    std::string put = "INSERT OR REPLACE INTO " + std::string(name) + " VALUES(?";
    for (int i = 1; i < columns; i++)
        put += ",?";
    sqlite3_prepare_v2(to, (put + ")").c_str(), -1, &table.put, nullptr);
    return table;
}

static void put(const Table &table, const Row &row)
{
    for (size_t i = 0; i < row.size(); i++) {
        const Cell &cell = row[i];
        int at = static_cast<int>(i) + 1;
        if (cell.type == SQLITE_INTEGER)
            sqlite3_bind_int64(table.put, at, cell.number);
        else if (cell.type == SQLITE_TEXT)
            sqlite3_bind_text(table.put, at, cell.bytes.data(), static_cast<int>(cell.bytes.size()), SQLITE_STATIC);
        else if (cell.type == SQLITE_BLOB)
            sqlite3_bind_blob(table.put, at, cell.bytes.data(), static_cast<int>(cell.bytes.size()), SQLITE_STATIC);
        else
            sqlite3_bind_null(table.put, at);
    }
    if (sqlite3_step(table.put) != SQLITE_DONE) {
        fprintf(stderr, "sqlite_rows: %s\n", sqlite3_errmsg(sqlite3_db_handle(table.put)));
        exit(1);
    }
    sqlite3_reset(table.put);
}

static void copy_schema(sqlite3 *from, sqlite3 *to)
{
    sqlite3_stmt *query;
    sqlite3_prepare_v2(from, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL", -1, &query, nullptr);
    while (sqlite3_step(query) == SQLITE_ROW)
        run(to, reinterpret_cast<const char *>(sqlite3_column_text(query, 0)));
    sqlite3_finalize(query);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 64;
    const long lives = 200000;
    const size_t group = static_cast<size_t>(atoi(argv[2]));
    std::string folder = argv[1];
    sqlite3 *from, *to;
    remove((folder + "/alone.db").c_str());
    if (sqlite3_open_v2((folder + "/paidan.db").c_str(), &from, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK ||
        sqlite3_open_v2((folder + "/alone.db").c_str(), &to,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK)
        return 66;
    copy_schema(from, to);
    run(to, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 512; "
            "PRAGMA secure_delete = ON; PRAGMA cache_size = -16384");
    Table offers = read(from, to, "offers", "id", lives);
    Table orders = read(from, to, "orders", "id", lives * 2);
    Table events = read(from, to, "events", "seq", lives * 5);
    Table refs = read(from, to, "refs", "id", lives);
    Table tallies = read(from, to, "tallies", "org", lives);
    std::map<sqlite3_int64, size_t> order_at, tally_at;
    std::map<sqlite3_int64, std::vector<size_t>> events_of;
    for (size_t i = 0; i < orders.rows.size(); i++)
        order_at[orders.rows[i][0].number] = i;
    for (size_t i = 0; i < tallies.rows.size(); i++)
        tally_at[tallies.rows[i][0].number] = i;
    for (size_t i = 0; i < events.rows.size(); i++)
        events_of[events.rows[i][4].number].push_back(i);
    auto first = [&](size_t i) {
        sqlite3_int64 order = offers.rows[i][1].number;
        put(orders, orders.rows[order_at[order]]);
        put(offers, offers.rows[i]);
        for (size_t k = 0; k + 1 < events_of[order].size(); k++)
            put(events, events.rows[events_of[order][k]]);
        put(refs, refs.rows[i % refs.rows.size()]);
    };
    auto second = [&](size_t i) {
        sqlite3_int64 order = offers.rows[i][1].number;
        put(orders, orders.rows[order_at[order]]);
        put(offers, offers.rows[i]);
        put(events, events.rows[events_of[order].back()]);
        put(tallies, tallies.rows[tally_at[offers.rows[i][2].number]]);
    };
    size_t count = offers.rows.size() / group * group;
    double began = now_s();
    for (size_t at = 0; at < count; at += group) {
        run(to, "BEGIN IMMEDIATE");
        for (size_t i = at; i < at + group; i++)
            first(i);
        for (size_t i = at >= group ? at - group : at; at >= group && i < at; i++)
            second(i);
        run(to, "COMMIT");
    }
    double seconds = now_s() - began;
    printf("{\"peer\": \"SQLite alone, our rows\", \"lives_per_s\": %.0f, \"lives\": %zu, \"lives_a_commit\": %zu}\n",
           static_cast<double>(count) / seconds, count, group);
    remove((folder + "/alone.db").c_str());
    remove((folder + "/alone.db-wal").c_str());
    remove((folder + "/alone.db-shm").c_str());
    return 0;
}
