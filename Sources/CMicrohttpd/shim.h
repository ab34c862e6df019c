#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

// The daemon's start takes variable arguments and Swift cuts the names of the library's enums, so both stay in C.

// A server on a free port of 127.0.0.1 with a thread for each connection: a handler may block. `context` comes back as
// the first argument of both callbacks. NULL when it does not start.
static inline struct MHD_Daemon *mhd_start_on_loopback(
    MHD_AccessHandlerCallback handle, MHD_RequestCompletedCallback completed, void *context)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, context,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, completed, context, MHD_OPTION_END);
}

// The port that it listens on; 0 when unknown.
static inline uint16_t mhd_port(struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info == NULL ? 0 : info->port;
}

// Go on reading the request.
static inline enum MHD_Result mhd_continue(void) { return MHD_YES; }

// The first header of that name, valid until the request ends; NULL when there is none.
static inline const char *mhd_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

// Answers with a body that is copied.
static inline enum MHD_Result mhd_respond(
    struct MHD_Connection *connection, unsigned int status, const char *content_type, const void *body, size_t length)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

// What the console's server is given; callbacks get `context` first.
struct mhd_console_settings {
    int listener;
    unsigned int connection_limit;
    unsigned int idle_seconds;
    size_t memory_limit;
    void *context;
};

typedef void *(*mhd_target_callback)(void *context, const char *target, struct MHD_Connection *connection);

// What the library would say of odd clients is said by nobody: they could fill a log.
static inline void mhd_say_nothing(void *context, const char *format, va_list arguments)
{
    (void)context;
    (void)format;
    (void)arguments;
}

// One thread with epoll on a socket that listens already; requests may be suspended. NULL when it does not start.
static inline struct MHD_Daemon *mhd_start_console(
    const struct mhd_console_settings *settings, MHD_AcceptPolicyCallback accept, mhd_target_callback target,
    MHD_AccessHandlerCallback handle, MHD_RequestCompletedCallback completed, MHD_NotifyConnectionCallback connected)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, accept, settings->context, handle,
        settings->context, MHD_OPTION_EXTERNAL_LOGGER, mhd_say_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, settings->listener,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT, settings->connection_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, settings->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, settings->memory_limit,
        MHD_OPTION_URI_LOG_CALLBACK, target, settings->context, MHD_OPTION_NOTIFY_COMPLETED, completed, settings->context,
        MHD_OPTION_NOTIFY_CONNECTION, connected, settings->context, MHD_OPTION_END);
}

// Close the connection without an answer.
static inline enum MHD_Result mhd_refuse(void) { return MHD_NO; }

// Whether a connection begins (or else ends).
static inline int mhd_begins(enum MHD_ConnectionNotificationCode code) { return code == MHD_CONNECTION_NOTIFY_STARTED; }

// All headers of the request, in order, through `each`; how many there are.
static inline int mhd_headers(struct MHD_Connection *connection, MHD_KeyValueIterator each, void *context)
{
    return MHD_get_connection_values(connection, MHD_HEADER_KIND, each, context);
}

// The peer's address; NULL when unknown.
static inline const struct sockaddr *mhd_peer(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info == NULL ? NULL : info->client_addr;
}

// The connection's descriptor; -1 when unknown.
static inline int mhd_descriptor(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

// What the connection callback stored for this connection.
static inline void *mhd_socket_context(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

// A response that sends a file from its first byte; the descriptor stays the caller's. NULL without memory or descriptors.
static inline struct MHD_Response *mhd_file_response(int descriptor, uint64_t size)
{
    int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return NULL;
    struct MHD_Response *response = MHD_create_response_from_fd64(size, own);
    if (response == NULL) close(own);
    return response;
}

// A response with a body that is copied; NULL without memory.
static inline struct MHD_Response *mhd_response(const void *body, size_t length)
{
    return MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_MUST_COPY);
}
