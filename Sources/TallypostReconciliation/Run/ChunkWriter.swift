import TallypostCore

/// Writes chunks of the register some at a time, so that neither memory nor a transaction grows with the table.
struct ChunkWriter {
    private let store: ReconcileStore
    private let run: Int64
    private var waiting: [(chunk: Int64, data: [UInt8])] = []
    private var bytes = 0

    /// A first run packs some 100 KB a chunk.
    private static let chunksPerWrite = 64
    private static let bytesPerWrite = 4 << 20

    init(store: ReconcileStore, run: Int64) {
        self.store = store
        self.run = run
    }

    mutating func add(_ chunk: Int64, _ data: [UInt8]) throws(StoreError) {
        waiting.append((chunk, data))
        bytes += data.count
        if waiting.count >= Self.chunksPerWrite || bytes >= Self.bytesPerWrite { try flush() }
    }

    mutating func flush() throws(StoreError) {
        guard !waiting.isEmpty else { return }
        try store.writeChunks(waiting, run: run)
        waiting.removeAll(keepingCapacity: true)
        bytes = 0
    }
}
