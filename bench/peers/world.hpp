// world.hpp -- the workload as `paidan-bench world` wrote it, for the peers in C++.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

struct Org {
    uint32_t id, reach_m, capacity;
    double lat, lon;
    uint64_t skills;
    uint64_t week[6] = {};
    bool open(int slot) const { return week[slot / 64] >> (slot % 64) & 1; }
};

struct Order {
    uint32_t id, headcount;
    double lat, lon;
    uint64_t skills;
    int slot;
};

struct Answer {
    uint32_t org;
    double distance_m;
};

struct World {
    std::vector<Org> orgs;
    std::vector<Order> orders;
    std::vector<std::vector<Answer>> answers;
};

inline FILE *open_or_die(const std::string &path)
{
    FILE *file = fopen(path.c_str(), "r");
    if (file == nullptr) {
        perror(path.c_str());
        exit(66);
    }
    return file;
}

inline World read_world(const std::string &folder)
{
    World w;
    char week[400];
    Org o;
    FILE *file = open_or_die(folder + "/orgs.tsv");
    while (fscanf(file, "%u %lf %lf %u %u %lu %399s", &o.id, &o.lat, &o.lon, &o.reach_m, &o.capacity,
                  &o.skills, week) == 7) {
        for (uint64_t &word : o.week)
            word = 0;
        for (int i = 0; week[i] != '\0'; i++)
            if (week[i] == '1')
                o.week[i / 64] |= uint64_t{1} << (i % 64);
        w.orgs.push_back(o);
    }
    fclose(file);
    file = open_or_die(folder + "/orders.tsv");
    Order r;
    while (fscanf(file, "%u %lf %lf %lu %d %u", &r.id, &r.lat, &r.lon, &r.skills, &r.slot, &r.headcount) == 6)
        w.orders.push_back(r);
    fclose(file);
    file = open_or_die(folder + "/answers.tsv");
    char *line = nullptr;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        std::vector<Answer> answers;
        char *at = strchr(line, '\t') + 1;
        Answer a;
        int used = 0;
        while (sscanf(at, "%u:%lf%n", &a.org, &a.distance_m, &used) == 2) {
            answers.push_back(a);
            at += used;
            if (*at == ',')
                at++;
        }
        w.answers.push_back(answers);
    }
    free(line);
    fclose(file);
    return w;
}

inline double now_s()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
