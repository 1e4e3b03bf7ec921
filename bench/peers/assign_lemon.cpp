// assign_lemon.cpp -- the peer of the exact assignment: LEMON's network simplex on the same graph.
//
//     assign_lemon FILE     the forms that `paidan-bench assign` reads
//
// Rows supply one unit, columns take one at most; the time is the solver's own, without reading.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <lemon/network_simplex.h>
#include <lemon/smart_graph.h>

struct Edge {
    int row, column;
    long cost;
};

static bool read_edges(const char *path, int &n, int &m, std::vector<Edge> &edges)
{
    FILE *file = fopen(path, "r");
    char line[256];
    if (file == nullptr || fgets(line, sizeof line, file) == nullptr)
        return false;
    bool is_sparse = sscanf(line, "%d %d", &n, &m) == 2;
    long a, b, c;
    if (is_sparse) {
        while (fscanf(file, "%ld %ld %ld", &a, &b, &c) == 3)
            edges.push_back({int(a), int(b), c});
    } else {
        m = n;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                if (fscanf(file, "%ld", &c) == 1)
                    edges.push_back({i + 1, j + 1, c});
    }
    fclose(file);
    return n > 0 && !edges.empty();
}

int main(int argc, char **argv)
{
    int n = 0, m = 0;
    std::vector<Edge> edges;
    if (argc != 2 || !read_edges(argv[1], n, m, edges)) {
        fprintf(stderr, "usage: assign_lemon FILE\n");
        return 64;
    }
    using Graph = lemon::SmartDigraph;
    Graph graph;
    std::vector<Graph::Node> rows, columns;
    for (int i = 0; i < n; i++)
        rows.push_back(graph.addNode());
    for (int j = 0; j < m; j++)
        columns.push_back(graph.addNode());
    Graph::ArcMap<long> cost(graph);
    for (const Edge &e : edges)
        cost[graph.addArc(rows[e.row - 1], columns[e.column - 1])] = e.cost;
    Graph::NodeMap<long> supply(graph, 0);
    for (const Graph::Node &row : rows)
        supply[row] = 1;
    for (const Graph::Node &column : columns)
        supply[column] = -1;
    Graph::ArcMap<long> upper(graph, 1);
    auto began = std::chrono::steady_clock::now();
    lemon::NetworkSimplex<Graph, long, long> simplex(graph);
    simplex.costMap(cost).upperMap(upper).supplyMap(supply);
    if (m > n)
        simplex.supplyType(simplex.GEQ);
    auto status = simplex.run();
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    if (status != simplex.OPTIMAL) {
        fprintf(stderr, "assign_lemon: no assignment serves every row\n");
        return 1;
    }
    printf("{\"peer\": \"LEMON network simplex\", \"optimum\": %ld, \"seconds\": %.6f}\n", simplex.totalCost<long>(), seconds);
    return 0;
}
