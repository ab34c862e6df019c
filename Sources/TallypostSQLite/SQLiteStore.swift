public import TallypostCore

/// The relay's side of an SQLite database that an application writes to at the same time.
///
/// Writes go in transactions of at most ``SQLiteStore/rowsPerTransaction`` rows with rest between them (``LockShare``); everything that
/// can be looked up is looked up before the write lock is taken.
public final class SQLiteStore: TaskStore {
    /// Rows that one write transaction changes, at most.
    public static let rowsPerTransaction = 100
    /// Payload bytes that one claim reads under the write lock, near enough, at most.
    static let bytesPerClaim = 8 << 20

    let path: String
    let pollOnly: Bool
    private let patience: TimeSpan
    private var session: Session?
    /// Which of the demanded types goes first, so that none has the first place for ever.
    var turn = 0
    /// Ordering keys whose next task may be due: the one before it was settled here.
    var hintedKeys: Set<[UInt8]> = []
    /// Tasks leased here, and the ordering keys they hold.
    var keysInFlight: [Int64: [UInt8]] = [:]
    /// Where the claims are in their walk over the ordering keys.
    var claimWalk = KeyWalk()
    /// Where the surveys are in theirs.
    var surveyWalk = KeyWalk()
    /// Where the walk over the open groups stands.
    var groupCursor = ""
    /// Where retention stands.
    var purgeWalk = SQLiteStore.purgeWalk
    /// `data_version` before the last look at the tasks: what is the same has been seen.
    var seenVersion: Int64?

    /// What an open store has.
    final class Session {
        let connection: SQLiteConnection
        let statements: StoreStatements
        /// Nil when changes are polled for.
        let watch: DirectoryWatch?
        /// Made when retention first needs them.
        var purge: PurgeStatements?
        /// Made when something is first settled.
        private var made: Following?
        /// Made when the tide mark is first asked for.
        private var guards: GuardStatements?

        init(connection: SQLiteConnection, statements: StoreStatements, watch: DirectoryWatch?) {
            self.connection = connection
            self.statements = statements
            self.watch = watch
        }

        func guardStatements() throws(StoreError) -> GuardStatements {
            if let guards { return guards }
            let fresh = try GuardStatements(connection)
            guards = fresh
            return fresh
        }

        func following() throws(StoreError) -> Following {
            if let made { return made }
            let fresh = try Following(connection)
            made = fresh
            return fresh
        }
    }

    /// - Parameters:
    ///   - path: the database file. It must be there: `init` makes it.
    ///   - pollOnly: leave inotify alone and look for changes by `data_version` only.
    ///   - patience: how long to wait for the write lock before `.busy` is thrown.
    public init(path: String, pollOnly: Bool = false, patience: TimeSpan = .seconds(5)) {
        self.path = path
        self.patience = patience
        self.pollOnly = pollOnly
    }

    /// Refuses a file that is not there or not in WAL mode; it neither makes nor changes one.
    public func open() throws(StoreError) {
        close()
        let connection = try SQLiteConnection(path: path, mode: .existing, patience: patience)
        try SchemaVersion.require(on: connection)
        let statements = try StoreStatements(connection)
        let watch = pollOnly ? nil : DirectoryWatch(databaseFile: connection.filePath)
        session = Session(connection: connection, statements: statements, watch: watch)
    }

    /// Leaves the write-ahead log as it is: checkpoints are the application's.
    public func close() {
        session = nil
        seenVersion = nil
        hintedKeys = []
        claimWalk = KeyWalk()
        surveyWalk = KeyWalk()
    }

    func opened(for operation: String) throws(StoreError) -> Session {
        guard let session else {
            throw StoreError(kind: .connection, code: "closed", operation: operation, message: "the store is not open")
        }
        return session
    }

    /// With an event, in one transaction.
    public func pause(route type: String, reason: String) throws(StoreError) {
        let session = try opened(for: "pause_route")
        let (pause, event) = (session.statements.pauseRoute, session.statements.recordEvent)
        try session.connection.write { () throws(StoreError) in
            let now = Timestamp.machineNow.iso8601
            try pause.bind(1, type)
            try pause.bind(2, now)
            try pause.bind(3, "tallypost")
            try pause.bind(4, reason)
            guard try pause.run() > 0 else { return }
            try event.bindNull(1)
            try event.bind(2, now)
            try event.bind(3, "pause")
            try event.bind(4, "tallypost")
            try event.bind(5, reason)
            try event.bind(6, type)
            try event.run()
        }
    }
}
