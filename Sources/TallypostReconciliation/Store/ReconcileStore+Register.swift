package import TallypostCore

extension ReconcileStore {
    /// Chunks that are in use at the largest, one step each: a short transaction, above all on SQLite.
    static let chunksPerTransaction = 100

    /// Chunks that hold rows, as the runs up to this one left them; ascending.
    package func chunkIDs(upTo run: Int64) throws(StoreError) -> [Int64] {
        try rows(.chunkIds, [.integer(run)]) { $0.integer(0) }
    }

    /// A chunk as the runs up to this one left it; nil: there is none, or it is empty.
    package func chunk(_ id: Int64, upTo run: Int64) throws(StoreError) -> [UInt8]? {
        try rows(.readChunk, [.integer(id), .integer(run)]) { $0.bytes(0) }.first.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Removes what runs wrote that were never committed: the first thing a run does once it holds the lease. In short steps; again is a
    /// no-op.
    package func sweepChunks(after lastRun: Int64) throws(StoreError) {
        try inSteps(.sweepChunks, lastRun, isFenced: true)
    }

    /// Writes what this run changed, under its number: nobody sees it before the run is committed. In short transactions; the same again
    /// changes nothing.
    ///
    /// - Parameter chunks: data that is empty says that the chunk has no rows now.
    package func writeChunks(_ chunks: [(chunk: Int64, data: [UInt8])], run: Int64) throws(StoreError) {
        var rest = chunks[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.chunksPerTransaction)
            rest = rest.dropFirst(part.count)
            try writing.write { () throws(StoreError) in
                try requireLease()
                for (chunk, data) in part { try writing.run(.writeChunk, [.integer(chunk), .integer(run), .blob(data)]) }
            }
        }
    }

    /// Removes versions that the committed run has replaced; in short steps. What a crash leaves of them, the next run removes.
    package func dropSuperseded(upTo run: Int64) throws(StoreError) {
        try inSteps(.dropSuperseded, run)
        try inSteps(.dropEmpty, run)
    }

    private func inSteps(_ statement: ReconcileStatement, _ run: Int64, isFenced: Bool = false) throws(StoreError) {
        var removed: Int
        repeat {
            removed = try writing.write { () throws(StoreError) in
                if isFenced { try requireLease() }
                return try writing.run(statement, [.integer(run), .integer(Int64(Self.chunksPerTransaction))])
            }
        } while removed == Self.chunksPerTransaction
    }
}
