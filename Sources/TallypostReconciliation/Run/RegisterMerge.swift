import TallypostCore

/// Two sorted sequences side by side, chunk by chunk: the table's rows and what the register has of them.
struct RegisterMerge {
    private let store: ReconcileStore
    private let scan: TableScan
    private let lastRun: Int64
    private var writer: ChunkWriter
    private var known: ArraySlice<Int64>
    private var current: Int64?

    /// - Parameter known: the register's chunks, ascending.
    init(store: ReconcileStore, scan: TableScan, state: ReconcilerState, known: [Int64]) {
        self.store = store
        self.scan = scan
        lastRun = state.lastRun
        writer = ChunkWriter(store: store, run: state.lastRun + 1)
        self.known = known[...]
    }

    /// The next row is of this chunk: what came before it is settled.
    mutating func reach(_ chunk: Int64) throws(StoreError) {
        guard chunk != current else { return }
        try settle()
        try passOver(below: chunk)
        current = chunk
    }

    /// There is no further row.
    mutating func finish() throws(StoreError) {
        try settle()
        try passOver(below: nil)
        try writer.flush()
    }

    private mutating func settle() throws(StoreError) {
        guard let chunk = current else { return }
        let isKnown = known.first == chunk
        if isKnown { known.removeFirst() }
        let previous = isKnown ? try store.chunk(chunk, upTo: lastRun) : nil
        let data: [UInt8]?
        do throws(RegisterError) { data = try scan.closeChunk(previous: previous) } catch { throw Self.damaged(error) }
        if let data { try writer.add(chunk, data) }
    }

    /// Chunks of the register that lie before the table's next row, and that it has no row of.
    private mutating func passOver(below limit: Int64?) throws(StoreError) {
        while let chunk = known.first, limit.map({ chunk < $0 }) ?? true {
            known.removeFirst()
            guard let previous = try store.chunk(chunk, upTo: lastRun) else { continue }
            do throws(RegisterError) { try scan.vanished(chunk: chunk, previous: previous) } catch { throw Self.damaged(error) }
            try writer.add(chunk, [])
        }
    }

    private static func damaged(_ error: RegisterError) -> StoreError {
        StoreError(
            kind: .corrupt, code: "register", operation: "read_chunk",
            message:
                "\(error). Nothing was written. DELETE FROM tallypost_register WHERE chunk = \(error.chunk) gives it up: its rows are then "
                + "taken as they are now")
    }
}
