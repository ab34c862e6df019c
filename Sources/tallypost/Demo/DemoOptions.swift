/// What `tallypost demo` was asked for.
struct DemoOptions: Sendable, Equatable {
    /// Orders that the shop tries, the rolled-back ones included.
    var orders = 1500
    /// Over how long it spreads them.
    var seconds = 15
    /// Where to put the databases and logs, and leave them; nil: a temporary directory that is removed.
    var keep: String?
    /// One line a second instead of the live view.
    var plain = false
}
