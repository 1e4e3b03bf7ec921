// rtree.cpp -- the peer in process: Boost.Geometry's R-tree, nearest with a predicate.
//
//     rtree FOLDER     a folder that `paidan-bench world` wrote
//
// The tree is packed (bulk loaded), the query bounded by a box as wide as the longest reach, and the
// predicate tests skills, opening, capacity and reach, cheapest first. Its answers are compared with
// ours before time is taken: the same organisations, but where distances on the sphere and on the
// ellipsoid may tell two apart: up to 0.5 % each, so 1 % between the two.
#include <algorithm>
#include <cmath>
#include <cstring>

#include <boost/geometry.hpp>
#include <boost/geometry/index/rtree.hpp>

#include "world.hpp"

namespace bg = boost::geometry;
namespace bgi = boost::geometry::index;
using Point = bg::model::point<double, 3, bg::cs::cartesian>;
using Value = std::pair<Point, uint32_t>;
using Box = bg::model::box<Point>;
using Tree = bgi::rtree<Value, bgi::quadratic<16>>;

static const double earth_m = 6371008.8; // the mean radius of WGS-84
static const double reach_most_m = 30000;

// A place on the sphere in metres: chords sort as arcs do, and cost no trigonometry in the query.
static Point point_of(double lat, double lon)
{
    double k = M_PI / 180;
    return Point(earth_m * cos(lat * k) * cos(lon * k), earth_m * cos(lat * k) * sin(lon * k),
                 earth_m * sin(lat * k));
}

static double distance_m(const Org &o, const Order &r)
{
    return bg::distance(point_of(o.lat, o.lon), point_of(r.lat, r.lon));
}

static void find(const Tree &tree, const World &w, const Order &r, std::vector<Value> &out)
{
    out.clear();
    Point at = point_of(r.lat, r.lon);
    Box box = bg::return_buffer<Box>(Box(at, at), reach_most_m * 1.01);
    auto fits = [&](const Value &v) {
        const Org &o = w.orgs[v.second];
        return (r.skills & ~o.skills) == 0 && o.open(r.slot) && o.capacity >= r.headcount &&
               bg::comparable_distance(v.first, at) <= double(o.reach_m) * o.reach_m;
    };
    tree.query(bgi::intersects(box) && bgi::satisfies(fits) && bgi::nearest(at, 10), std::back_inserter(out));
}

// Whether an organisation may be in one answer and not in the other: its distance is that of its
// reach, or of the last of ten, as nearly as the two earths can tell.
static bool is_borderline(const Org &o, const Order &r, double last)
{
    double d = distance_m(o, r);
    return std::abs(d - o.reach_m) <= o.reach_m * 0.01 || (last > 0 && std::abs(d - last) <= last * 0.01 + 1);
}

static bool agrees(const World &w, const Order &r, const std::vector<Value> &found,
                   const std::vector<Answer> &ours)
{
    double last = ours.size() == 10 ? ours.back().distance_m : 0;
    size_t missing = 0;
    size_t extra = 0;
    for (const Answer &a : ours) {
        bool is_theirs = std::any_of(found.begin(), found.end(), [&](const Value &v) { return w.orgs[v.second].id == a.org; });
        if (!is_theirs && !is_borderline(w.orgs[a.org - 1], r, last))
            return false;
        missing += !is_theirs;
    }
    for (const Value &v : found) {
        const Org &o = w.orgs[v.second];
        bool is_ours = std::any_of(ours.begin(), ours.end(), [&](const Answer &a) { return a.org == o.id; });
        extra += !is_ours && !is_borderline(o, r, last); // moved up where a borderline one is missing
    }
    return extra <= missing;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 64;
    World w = read_world(argv[1]);
    std::vector<Value> values;
    for (uint32_t i = 0; i < w.orgs.size(); i++)
        values.emplace_back(point_of(w.orgs[i].lat, w.orgs[i].lon), i);
    Tree tree(values);
    std::vector<Value> found;
    size_t differ = 0;
    for (size_t i = 0; i < w.orders.size() && i < 20000; i++) {
        find(tree, w, w.orders[i], found);
        differ += !agrees(w, w.orders[i], found, w.answers[i]);
    }
    if (differ != 0) {
        fprintf(stderr, "rtree: %zu answers differ from ours\n", differ);
        return 1;
    }
    std::vector<double> took;
    took.reserve(w.orders.size());
    double total = 0;
    for (const Order &r : w.orders) {
        double began = now_s();
        find(tree, w, r, found);
        took.push_back(now_s() - began);
        total += took.back();
    }
    std::sort(took.begin(), took.end());
    printf("{\"peer\": \"Boost R-tree\", \"organisations\": %zu, \"orders\": %zu, \"matches_per_s\": %.0f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           w.orgs.size(), w.orders.size(), static_cast<double>(took.size()) / total,
           took[took.size() / 2] * 1e6, took[took.size() * 99 / 100] * 1e6, took.back() * 1e6);
    return 0;
}
