// beanstalk.cpp -- the peer of a durable queue: beanstalkd with -f0, put, reserve and delete.
//
//     beanstalk PORT SECONDS CONNECTIONS
//
// Each connection carries one job after the other through its life; every put and delete is synced
// before its answer. A life of ours holds more: a search, an offer, two tables and a feed.
#include <arpa/inet.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "world.hpp"

static int connect_to(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
        perror("beanstalk");
        exit(69);
    }
    return fd;
}

// Sends a command and reads up to `lines` lines of answer.
static std::string ask(int fd, const std::string &command, int lines)
{
    char buffer[1024];
    std::string answer;
    if (write(fd, command.data(), command.size()) < 0)
        exit(1);
    while (lines > 0) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got <= 0)
            exit(1);
        for (ssize_t i = 0; i < got; i++)
            lines -= buffer[i] == '\n';
        answer.append(buffer, static_cast<size_t>(got));
    }
    return answer;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    double end = now_s() + atof(argv[2]);
    std::atomic<long> lives{0};
    std::vector<std::thread> threads;
    double began = now_s();
    for (int i = 0; i < atoi(argv[3]); i++)
        threads.emplace_back([&] {
            int fd = connect_to(atoi(argv[1]));
            std::string job(200, 'x'); // about what an order's row takes
            while (now_s() < end) {
                ask(fd, "put 0 0 60 200\r\n" + job + "\r\n", 1);
                std::string reserved = ask(fd, "reserve\r\n", 2);
                ask(fd, "delete " + std::to_string(atol(reserved.c_str() + 9)) + "\r\n", 1);
                lives++;
            }
            close(fd);
        });
    for (std::thread &thread : threads)
        thread.join();
    printf("{\"peer\": \"beanstalkd -f0\", \"lives_per_s\": %.0f, \"connections\": %s}\n",
           static_cast<double>(lives) / (now_s() - began), argv[3]);
    return 0;
}
