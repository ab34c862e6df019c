import CCurl
import Glibc
import TallypostCore

/// One of libcurl's multi handles, with what is under way in it.
///
/// There are several, because libcurl walks over all connections of a multi handle whenever a transfer leaves it
/// (`curl_multi_remove_handle`): 2,000 requests that hang at one destination took a third of the others' speed. Each destination
/// belongs to one shard, so they pay for their own connections only.
@safe final class CurlShard {
    /// CURLM.
    let multi: UnsafeMutableRawPointer
    /// Its place among the shards.
    let index: Int
    private let sockets: SocketSet
    private var timer = CurlTimer()
    private(set) var active: [Transfer] = []
    /// How many transfers libcurl counted as under way when it was last asked.
    private var running: Int32 = 0

    /// - Parameter connections: kept at most, idle ones included. Far above what is ever in flight: with fewer, connections are
    ///   closed and opened all the time.
    init(index: Int, sockets: SocketSet, connections: Int) {
        guard let multi = unsafe curl_multi_init() else { preconditionFailure("out of memory") }
        unsafe self.multi = unsafe multi
        self.index = index
        self.sockets = sockets
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe curl_multi_set_socket(multi, socketWish, context)
        unsafe curl_multi_set_timer(multi, timerWish, context)
        unsafe curl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
        unsafe curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, connections)
    }

    deinit {
        for transfer in active { unsafe curl_multi_remove_handle(multi, transfer.easy) }
        unsafe curl_multi_cleanup(multi)
    }

    /// Whether a transfer has come to its end.
    var hasAnswers: Bool { Int(running) < active.count }

    // MARK: What libcurl asks for

    func want(_ events: UInt32, on socket: Int32) { sockets.want(events, on: socket, for: index) }

    func setTimer(milliseconds: Int) { timer.set(milliseconds: milliseconds) }

    // MARK: Transfers

    func start(_ transfer: Transfer) {
        transfer.index = active.count
        active.append(transfer)
        running += 1
        let code = unsafe curl_multi_add_handle(multi, transfer.easy)
        precondition(code == CURLM_OK, "curl_multi_add_handle: \(code.rawValue)")
    }

    /// Hands over every transfer that has ended: first to be judged, then, taken out of libcurl, to be put away.
    func collect(judge: (Transfer, CURLcode) -> Void, retire: (Transfer) -> Void) {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(multi, &left) {
            let code = unsafe curl_message_result(message)
            let easy = unsafe message.pointee.easy_handle
            var context: UnsafeMutableRawPointer?
            unsafe curl_get_pointer(easy, CURLINFO_PRIVATE, &context)
            guard let context = unsafe context else { preconditionFailure("a curl handle of nobody's") }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            judge(transfer, code)
            unsafe curl_multi_remove_handle(multi, easy)
            guard let last = active.popLast() else { preconditionFailure("an answer to nothing") }
            if last !== transfer {
                active[transfer.index] = last
                last.index = transfer.index
            }
            retire(transfer)
        }
    }

    // MARK: I/O

    func act(on descriptor: Int32, flags: Int32) {
        unsafe curl_multi_socket_action(multi, descriptor, flags, &running)
    }

    /// Lets libcurl do what is due by its clock.
    func runTimer(at now: Instant) {
        // libcurl may ask to be called again at once, several times over.
        var rounds = 0
        while rounds < 4, timer.takeIfDue(at: now) {
            unsafe curl_multi_socket_action(multi, -1, 0, &running)
            rounds += 1
        }
    }

    /// Time until its timer runs out, at most `longest`.
    func patience(at now: Instant, atMost longest: TimeSpan) -> TimeSpan { timer.remaining(at: now, atMost: longest) }
}
