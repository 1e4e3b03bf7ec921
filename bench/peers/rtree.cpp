// rtree.cpp -- the peer in process: Boost.Geometry's R-tree, nearest with a predicate.
//
//     rtree FOLDER     a folder that `paidan-bench world` wrote
//
// The tree is packed (bulk loaded), the query bounded by a box as wide as the longest reach, and the
// predicate tests skills, opening, capacity and reach, cheapest first. Places are points in space, so
// that chords sort as arcs do and a query costs no trigonometry.
#include <cstring>

#include <boost/geometry.hpp>
#include <boost/geometry/index/rtree.hpp>

#include "tries.hpp"

namespace bg = boost::geometry;
namespace bgi = boost::geometry::index;
using Point = bg::model::point<double, 3, bg::cs::cartesian>;
using Value = std::pair<Point, uint32_t>;
using Box = bg::model::box<Point>;
using Tree = bgi::rtree<Value, bgi::quadratic<16>>;

static Point point_of(double lat, double lon)
{
    double k = M_PI / 180;
    return Point(earth_m * cos(lat * k) * cos(lon * k), earth_m * cos(lat * k) * sin(lon * k),
                 earth_m * sin(lat * k));
}

int main(int argc, char **argv)
{
    const double reach_most_m = 30000;
    if (argc != 2)
        return 64;
    World w = read_world(argv[1]);
    std::vector<Value> values;
    for (uint32_t i = 0; i < w.orgs.size(); i++)
        values.emplace_back(point_of(w.orgs[i].lat, w.orgs[i].lon), i);
    Tree tree(values);
    std::vector<Value> nearest;
    Find find = [&](const Order &r, std::vector<uint32_t> &found) {
        Point at = point_of(r.lat, r.lon);
        Box box = bg::return_buffer<Box>(Box(at, at), reach_most_m * 1.01);
        auto fits = [&](const Value &v) {
            const Org &o = w.orgs[v.second];
            return (r.skills & ~o.skills) == 0 && o.open(r.slot) && o.capacity >= r.headcount &&
                   bg::comparable_distance(v.first, at) <= double(o.reach_m) * o.reach_m;
        };
        nearest.clear();
        tree.query(bgi::intersects(box) && bgi::satisfies(fits) && bgi::nearest(at, 10), std::back_inserter(nearest));
        for (const Value &v : nearest)
            found.push_back(w.orgs[v.second].id);
    };
    if (!compare("Boost R-tree", w, 20000, find))
        return 1;
    measure("Boost R-tree", w, w.orders.size(), find);
    return 0;
}
