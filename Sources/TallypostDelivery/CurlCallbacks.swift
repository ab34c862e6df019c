import CCurl

// libcurl calls these on the courier's thread, inside a call of the courier's. They live at file level, so that they inherit
// no actor, and keep nothing: a pointer is good until they return.

private func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    guard let context = unsafe context else { return nil }
    return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
}

/// CURLOPT_WRITEFUNCTION. Anything but the whole count ends the transfer.
func takeBodyBytes(_ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?) -> Int {
    let whole = size * count
    guard let data = unsafe data, let transfer = unsafe transfer(context) else { return whole == 0 ? 0 : -1 }
    return unsafe transfer.keep(UnsafeRawBufferPointer(start: data, count: whole)) ? whole : -1
}

/// CURLOPT_HEADERFUNCTION.
func takeHeaderLine(_ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?) -> Int {
    let whole = size * count
    guard let transfer = unsafe transfer(context) else { return -1 }
    return transfer.countHeader(whole) ? whole : -1
}

/// CURLOPT_OPENSOCKETFUNCTION.
func openSocket(
    _ context: UnsafeMutableRawPointer?, _ purpose: curlsocktype, _ address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
    guard let transfer = unsafe transfer(context), let address = unsafe address else { return -1 }
    return unsafe transfer.open(address)
}

/// CURLOPT_CLOSESOCKETFUNCTION.
func closeSocket(_ context: UnsafeMutableRawPointer?, _ socket: curl_socket_t) -> Int32 {
    guard let context = unsafe context else { return -1 }
    return unsafe Unmanaged<SocketSet>.fromOpaque(context).takeUnretainedValue().close(socket)
}

/// CURLOPT_PREREQFUNCTION.
func beforeRequest(
    _ context: UnsafeMutableRawPointer?, _ address: UnsafeMutablePointer<CChar>?, _ localAddress: UnsafeMutablePointer<CChar>?,
    _ port: Int32, _ localPort: Int32
) -> Int32 {
    guard let transfer = unsafe transfer(context), let address = unsafe address else { return CURL_PREREQFUNC_ABORT }
    let mayWrite = unsafe transfer.mayWrite(to: IPAddress(cString: address), port: Int(port))
    return mayWrite ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}

/// CURLMOPT_SOCKETFUNCTION.
func socketWish(
    _ easy: UnsafeMutableRawPointer?, _ socket: curl_socket_t, _ what: Int32, _ context: UnsafeMutableRawPointer?,
    _ socketContext: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context = unsafe context else { return -1 }
    let shard = unsafe Unmanaged<CurlShard>.fromOpaque(context).takeUnretainedValue()
    let events: UInt32 =
        switch what {
        case CURL_POLL_IN: SocketSet.readable
        case CURL_POLL_OUT: SocketSet.writable
        case CURL_POLL_INOUT: SocketSet.readable | SocketSet.writable
        default: 0
        }
    shard.want(events, on: socket)
    return 0
}

/// CURLMOPT_TIMERFUNCTION.
func timerWish(_ multi: UnsafeMutableRawPointer?, _ milliseconds: Int, _ context: UnsafeMutableRawPointer?) -> Int32 {
    guard let context = unsafe context else { return -1 }
    unsafe Unmanaged<CurlShard>.fromOpaque(context).takeUnretainedValue().setTimer(milliseconds: milliseconds)
    return 0
}
