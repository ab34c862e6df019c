import CMicrohttpd
import Glibc

// What libmicrohttpd calls, on threads of its own: plain functions at file level, which belong to no actor.

/// Called for a request's headers, for each piece of its body, and once more when it is whole.
func receiverAnswers(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, url: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?,
    version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?, uploadSize: UnsafeMutablePointer<Int>?,
    request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context = unsafe context, let connection = unsafe connection, let request = unsafe request,
        let uploadSize = unsafe uploadSize
    else { return mhd_continue() }
    // The library keeps this pointer for us and hands it back: any value but NULL says that the headers were seen.
    if unsafe request.pointee == nil {
        unsafe request.pointee = context
        return mhd_continue()
    }
    // The demo's receiver has no use for the body: the key tells all.
    if unsafe uploadSize.pointee > 0 {
        unsafe uploadSize.pointee = 0
        return mhd_continue()
    }
    let desk = unsafe Unmanaged<ReceiverDesk>.fromOpaque(context).takeUnretainedValue()
    let answer = unsafe desk.answer(
        keyHeader: header("Idempotency-Key", of: connection), attempt: header("Tallypost-Task-Attempt", of: connection))
    if answer.delayMicroseconds > 0 { usleep(answer.delayMicroseconds) }
    let body = Array(answer.body.utf8)
    return unsafe body.withUnsafeBytes {
        unsafe mhd_respond(connection, answer.status, "application/json", $0.baseAddress, $0.count)
    }
}

/// Called when a request ended, answered or not.
func receiverIsDone(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    reason: MHD_RequestTerminationCode
) {
    unsafe request?.pointee = nil
}

private func header(_ name: String, of connection: OpaquePointer) -> String? {
    guard let value = unsafe mhd_header(connection, name) else { return nil }
    return unsafe String(cString: value)
}
