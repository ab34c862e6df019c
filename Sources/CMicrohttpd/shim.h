#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>

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
