import CMicrohttpd
import Glibc
import TallypostCore

// What libmicrohttpd calls, on its thread: plain functions at file level, which belong to no actor.

/// Whether a connection may come.
func consoleAccepts(
    context: UnsafeMutableRawPointer?, address: UnsafePointer<sockaddr>?, length: socklen_t
) -> MHD_Result {
    guard let server = unsafe server(context) else { return mhd_refuse() }
    return unsafe server.table.admits(PeerAddress(address)) ? mhd_continue() : mhd_refuse()
}

/// A connection has come, or goes.
func consoleConnected(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    code: MHD_ConnectionNotificationCode
) {
    guard let server = unsafe server(context), let connection = unsafe connection, let socketContext = unsafe socketContext
    else { return }
    if mhd_begins(code) != 0 {
        let slot = unsafe server.table.add(
            mhd_descriptor(connection), PeerAddress(mhd_peer(connection)), deadline: ConsoleClock.now() + server.limits.request)
        unsafe socketContext.pointee = UnsafeMutableRawPointer(bitPattern: slot)
    } else {
        server.table.remove(unsafe Int(bitPattern: socketContext.pointee))
    }
}

/// A request's first line is here: its target before anything was decoded. What is returned goes along with the request.
func consoleTarget(
    context: UnsafeMutableRawPointer?, target: UnsafePointer<CChar>?, connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    guard let server = unsafe server(context), let target = unsafe target, let connection = unsafe connection else { return nil }
    let slot = unsafe Int(bitPattern: mhd_socket_context(connection))
    let exchange = unsafe Exchange(
        server: server, connection: ConnectionHandle(connection), slot: slot, peer: PeerAddress(mhd_peer(connection)),
        target: String(cString: target))
    server.began(slot: slot)
    return unsafe Unmanaged.passRetained(exchange).toOpaque()
}

/// Called for a request's headers, for each piece of its body, once it is whole, and again when it has rested.
func consoleAnswers(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, url: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?,
    version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?, uploadSize: UnsafeMutablePointer<Int>?,
    request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let server = unsafe server(context), let connection = unsafe connection, let method = unsafe method,
        let version = unsafe version, let uploadSize = unsafe uploadSize, let opaque = unsafe request?.pointee
    else { return mhd_refuse() }
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(opaque).takeUnretainedValue()
    if !exchange.hasHead {
        let mustAnswer = unsafe exchange.begin(
            method: String(cString: method), version: String(cString: version), fields: fields(of: connection))
        if mustAnswer, let answer = exchange.answer { return unsafe queue(answer, exchange, server, connection) }
        return mhd_continue()
    }
    if unsafe uploadSize.pointee > 0 {
        let goesOn = unsafe exchange.append(UnsafeRawBufferPointer(start: upload, count: uploadSize.pointee))
        unsafe uploadSize.pointee = 0
        return goesOn ? mhd_continue() : mhd_refuse()
    }
    if let answer = exchange.answer { return unsafe queue(answer, exchange, server, connection) }
    if let answer = unsafe server.handle(exchange, ConnectionHandle(connection)) {
        return unsafe queue(answer, exchange, server, connection)
    }
    return mhd_continue()
}

/// A request is over, answered or not.
func consoleCompleted(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    reason: MHD_RequestTerminationCode
) {
    guard let request = unsafe request, let opaque = unsafe request.pointee else { return }
    unsafe request.pointee = nil
    unsafe Unmanaged<Exchange>.fromOpaque(opaque).takeRetainedValue().end()
}

// MARK: Parts

private func server(_ context: UnsafeMutableRawPointer?) -> HTTPServer? {
    guard let context = unsafe context else { return nil }
    return unsafe Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
}

/// Gathers headers while the library lists them.
private final class FieldCollector {
    var fields: [(name: String, value: String)] = []
}

private func collectField(
    context: UnsafeMutableRawPointer?, kind: MHD_ValueKind, name: UnsafePointer<CChar>?, value: UnsafePointer<CChar>?
) -> MHD_Result {
    guard let context = unsafe context, let name = unsafe name else { return mhd_refuse() }
    let text = unsafe value.map { unsafe String(cString: $0) } ?? ""
    unsafe Unmanaged<FieldCollector>.fromOpaque(context).takeUnretainedValue().fields.append((String(cString: name), text))
    return mhd_continue()
}

private func fields(of connection: OpaquePointer) -> [(name: String, value: String)] {
    let collector = FieldCollector()
    _ = unsafe mhd_headers(connection, collectField, Unmanaged.passUnretained(collector).toOpaque())
    return collector.fields
}

/// On every answer: nothing of the API belongs into a cache, a frame or a page.
private let constantHeaders: [HTTPAnswer.Header] = [
    .init(name: "Cache-Control", value: "no-store"),
    .init(name: "X-Content-Type-Options", value: "nosniff"),
    .init(name: "Referrer-Policy", value: "no-referrer"),
    .init(name: "Content-Security-Policy", value: "default-src 'none'; frame-ancestors 'none'"),
]

private func queue(
    _ answer: HTTPAnswer, _ exchange: Exchange, _ server: HTTPServer, _ connection: OpaquePointer
) -> MHD_Result {
    let made: OpaquePointer? =
        if let file = answer.file {
            unsafe mhd_file_response(file.descriptor, UInt64(file.size))
        } else {
            unsafe answer.body.withUnsafeBytes { unsafe mhd_response($0.baseAddress, $0.count) }
        }
    guard let response = unsafe made else { return mhd_refuse() }
    defer { unsafe MHD_destroy_response(response) }
    _ = unsafe MHD_add_response_header(response, "Content-Type", answer.contentType)
    // What an answer says for itself goes before what all say.
    let constant = constantHeaders.filter { header in !answer.headers.contains { $0.name == header.name } }
    for header in constant + answer.headers { _ = unsafe MHD_add_response_header(response, header.name, header.value) }
    if answer.closes { _ = unsafe MHD_add_response_header(response, "Connection", "close") }
    server.answers(slot: exchange.slot)
    return unsafe MHD_queue_response(connection, UInt32(answer.status), response)
}
