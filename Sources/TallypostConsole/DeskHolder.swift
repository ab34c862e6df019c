import TallypostCore

/// A connection of one thread: opened when it is first needed, given up when it breaks, and tried again at a growing pace while the
/// database is away.
struct DeskHolder<Desk> {
    /// As notices name it.
    let name: String
    private let open: () throws(StoreError) -> Desk
    private let notice: (ConsoleNotice) -> Void
    private var desk: Desk?
    private var link = DatabaseLink()
    private var isAwayTold = false

    init(name: String, notice: @escaping (ConsoleNotice) -> Void, open: @escaping () throws(StoreError) -> Desk) {
        self.name = name
        self.notice = notice
        self.open = open
    }

    /// Asks it. What only reads is asked again on a new connection when the old one broke while nobody used it: the request need not
    /// suffer for that.
    mutating func ask<Result>(isReading: Bool, _ body: (Desk) throws(StoreError) -> Result) throws(StoreError) -> Result {
        var mayRepeat = isReading
        while true {
            let desk = try connected()
            do throws(StoreError) { return try body(desk) } catch {
                failed(error)
                guard error.kind == .connection, mayRepeat else { throw error }
                mayRepeat = false
            }
        }
    }

    /// Disconnects.
    mutating func close() { desk = nil }

    private mutating func connected() throws(StoreError) -> Desk {
        if let desk { return desk }
        guard link.mayTry(at: ConsoleClock.now()) else {
            throw StoreError(kind: .connection, code: "away", operation: "connect", message: "the database was away a moment ago")
        }
        do throws(StoreError) {
            let desk = try open()
            self.desk = desk
            link.succeeded()
            if isAwayTold { notice(.databaseBack(name)) }
            isAwayTold = false
            return desk
        } catch {
            link.failed(at: ConsoleClock.now())
            if !isAwayTold { notice(.databaseAway(name, error)) }
            isAwayTold = true
            throw error
        }
    }

    private mutating func failed(_ error: StoreError) {
        switch error.kind {
        case .connection: desk = nil
        case .data: break
        default: notice(.requestFailed(name, error))
        }
    }
}
