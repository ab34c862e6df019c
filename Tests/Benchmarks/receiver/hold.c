// hold PORT LOG MILLISECONDS: a receiver that keeps each request for that long before it answers 200 {"ok":true}; 0 keeps it
// until SIGUSR1, after which all are answered, and later ones at once. On 127.0.0.1:PORT, one thread, ends on SIGTERM.
//
// LOG gets the lines of nginx.conf.in (end duration key status connection bytes), with microseconds, when a request is
// answered. GET /held answers how many requests are kept at that moment. In C because it shares two cores with what is measured:
// a request costs it a few microseconds, and thousands of kept ones nothing.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 65536, BUFFER = 16384, EVENTS = 256, KEY = 300, LOG_EVERY_MS = 100 };

typedef struct Connection {
    int fd;
    long serial;
    size_t length;                  // bytes read of the request that is not complete yet
    char *data;
    double arrived;                 // when the first byte of the kept request was read
    size_t size;                    // of the kept request
    bool held;
    char key[KEY];
    struct Connection *next, *previous;  // among the held ones, oldest first: all are kept equally long
} Connection;

static Connection *connections[MAX_FD];
static Connection held = {.next = &held, .previous = &held};
static long held_count, serials;
static double delay;
static bool released;
static FILE *answers;

static void die(const char *what) {
    fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void send_text(Connection *connection, const char *body) {
    char text[256];
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(body), body);
    // A short answer into an empty socket buffer: it is taken whole, or the peer has gone, which its event will tell.
    (void)!send(connection->fd, text, length, MSG_NOSIGNAL);
}

static void forget(Connection *connection) {
    if (!connection->held) return;
    connection->previous->next = connection->next;
    connection->next->previous = connection->previous;
    connection->held = false;
    held_count--;
}

static void answer(Connection *connection) {
    forget(connection);
    send_text(connection, "{\"ok\":true}");
    double end = now();
    fprintf(answers, "%.6f %.6f %s 200 %ld %zu\n", end, end - connection->arrived, connection->key, connection->serial, connection->size);
}

static void hang_up(Connection *connection) {
    forget(connection);
    connections[connection->fd] = NULL;
    close(connection->fd);
    free(connection->data);
    free(connection);
}

static const char *header(const char *head, const char *name) {
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        size_t length = strlen(name);
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
            const char *value = line + 3 + length;
            return value + strspn(value, " ");
        }
    }
    return NULL;
}

// A client here sends one request at a time on a connection, and the next when it has its answer.
static void take_request(Connection *connection) {
    connection->data[connection->length] = 0;
    char *end = memmem(connection->data, connection->length, "\r\n\r\n", 4);
    if (!end) return;
    const char *length = header(connection->data, "content-length"), *key = header(connection->data, "idempotency-key");
    size_t size = end + 4 - connection->data + (length ? strtoul(length, NULL, 10) : 0);
    if (size > BUFFER) die("a request is longer than 16 KiB");
    if (connection->length < size) return;
    bool asks = strncmp(connection->data, "GET /held ", 10) == 0;
    snprintf(connection->key, sizeof connection->key, "%.*s", key ? (int)strcspn(key, "\r") : 1, key ? key : "-");
    connection->size = size;
    connection->length = 0;
    if (asks) {
        char count[24];
        snprintf(count, sizeof count, "%ld", held_count);
        send_text(connection, count);
    } else if (released) {
        answer(connection);
    } else {
        connection->held = true;
        connection->next = &held;
        connection->previous = held.previous;
        held.previous->next = connection;
        held.previous = connection;
        held_count++;
    }
}

static void hear(Connection *connection) {
    if (!connection->length) connection->arrived = now();
    ssize_t count = recv(connection->fd, connection->data + connection->length, BUFFER - connection->length, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
        hang_up(connection);
        return;
    }
    connection->length += count;
    take_request(connection);
}

static void greet(int listener, int set) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        Connection *connection = calloc(1, sizeof *connection);
        if (fd >= MAX_FD || !connection || !(connection->data = malloc(BUFFER + 1))) die("too many connections");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        connection->fd = fd;
        connection->serial = ++serials;
        connections[fd] = connection;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
    }
}

static void answer_due(double moment) {
    while (held.next != &held && (released || (delay > 0 && held.next->arrived + delay <= moment))) answer(held.next);
}

static int wait_ms(void) {
    if (held.next == &held || delay == 0) return LOG_EVERY_MS;
    double left = (held.next->arrived + delay - now()) * 1e3;
    return left <= 0 ? 0 : left < LOG_EVERY_MS ? (int)left + 1 : LOG_EVERY_MS;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: hold PORT LOG MILLISECONDS\n");
        return 64;
    }
    delay = atof(arguments[3]) / 1e3;
    if (!(answers = fopen(arguments[2], "a"))) die(arguments[2]);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int commands = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8192)) die("bind");

    int set = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        int fd = i ? commands : listener;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
    }
    double written = now();
    for (struct epoll_event events[EVENTS];;) {
        int ready = epoll_wait(set, events, EVENTS, wait_ms());
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            struct signalfd_siginfo signal;
            if (fd == listener) greet(listener, set);
            else if (fd != commands && connections[fd]) hear(connections[fd]);
            else if (fd == commands && read(commands, &signal, sizeof signal) == sizeof signal) {
                if (signal.ssi_signo == SIGTERM) return fclose(answers) ? 1 : 0;
                released = true;
            }
        }
        double moment = now();
        answer_due(moment);
        if ((moment - written) * 1e3 >= LOG_EVERY_MS) {
            fflush(answers);
            written = moment;
        }
    }
}
