// tries.hpp -- how every matching peer is compared with our answers, and then timed.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>

#include "world.hpp"

static const double earth_m = 6371008.8; // the mean radius of WGS-84

inline double distance_m(const Org &o, const Order &r)
{
    double k = M_PI / 180;
    double a = sin((o.lat - r.lat) * k / 2);
    double b = sin((o.lon - r.lon) * k / 2);
    return 2 * earth_m * asin(sqrt(a * a + cos(o.lat * k) * cos(r.lat * k) * b * b));
}

// Whether an organisation may be in one answer and not in the other: its distance is that of its
// reach, or of the last of ten, as nearly as a sphere and the ellipsoid can tell (0.5 % each).
inline bool is_borderline(const Org &o, const Order &r, double last)
{
    double d = distance_m(o, r);
    return std::abs(d - o.reach_m) <= o.reach_m * 0.01 || (last > 0 && std::abs(d - last) <= last * 0.01 + 1);
}

// `found` holds ids. What a missing borderline one makes room for may move up.
inline bool agrees(const World &w, const Order &r, const std::vector<uint32_t> &found, const std::vector<Answer> &ours)
{
    double last = ours.size() == 10 ? ours.back().distance_m : 0;
    size_t missing = 0;
    size_t extra = 0;
    for (const Answer &a : ours) {
        bool is_theirs = std::find(found.begin(), found.end(), a.org) != found.end();
        if (!is_theirs && !is_borderline(w.orgs[a.org - 1], r, last))
            return false;
        missing += !is_theirs;
    }
    for (uint32_t id : found) {
        bool is_ours = std::any_of(ours.begin(), ours.end(), [&](const Answer &a) { return a.org == id; });
        extra += !is_ours && !is_borderline(w.orgs[id - 1], r, last);
    }
    return extra <= missing;
}

using Find = std::function<void(const Order &, std::vector<uint32_t> &)>;

// Compares the first `compared` answers; false, with the count said, when one differs.
inline bool compare(const char *peer, const World &w, size_t compared, const Find &find)
{
    std::vector<uint32_t> found;
    size_t differ = 0;
    for (size_t i = 0; i < w.orders.size() && i < compared; i++) {
        found.clear();
        find(w.orders[i], found);
        differ += !agrees(w, w.orders[i], found, w.answers[i]);
    }
    if (differ != 0)
        fprintf(stderr, "%s: %zu answers differ from ours\n", peer, differ);
    return differ == 0;
}

inline void report(const char *peer, const World &w, std::vector<double> took, double total)
{
    std::sort(took.begin(), took.end());
    printf("{\"peer\": \"%s\", \"organisations\": %zu, \"orders\": %zu, \"matches_per_s\": %.0f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           peer, w.orgs.size(), took.size(), static_cast<double>(took.size()) / total,
           took[took.size() / 2] * 1e6, took[took.size() * 99 / 100] * 1e6, took.back() * 1e6);
}

// Times at most `most` orders one after the other.
inline void measure(const char *peer, const World &w, size_t most, const Find &find)
{
    std::vector<uint32_t> found;
    std::vector<double> took;
    double total = 0;
    for (size_t i = 0; i < w.orders.size() && i < most; i++) {
        found.clear();
        double began = now_s();
        find(w.orders[i], found);
        took.push_back(now_s() - began);
        total += took.back();
    }
    report(peer, w, took, total);
}
