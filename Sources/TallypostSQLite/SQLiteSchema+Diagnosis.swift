import CLinux
import Glibc
public import TallypostCore

extension SQLiteSchema {
    /// Looks at the files by stat and access only, and through SQLite.
    public func diagnose() -> [Finding] {
        var findings = [libraryFinding()]
        guard unsafe access(path, F_OK) == 0 else {
            findings.append(
                Finding(
                    level: .problem, check: "database", message: "\(path) is not there",
                    mend: "check the path, or run `tallypost init` to make it"))
            return findings
        }
        findings += permissionFindings()
        if let finding = fileSystemFinding() { findings.append(finding) }
        do {
            let connection = try SQLiteConnection(path: path, mode: .existing)
            findings.append(Finding(level: .good, check: "database", message: "\(path) opens, in WAL mode"))
            try SchemaVersion.require(on: connection)
            findings.append(Finding(level: .good, check: "schema", message: "the tables are of version \(SchemaVersion.current)"))
            findings.append(try clockFinding(connection))
            findings.append(logFinding())
        } catch {
            findings.append(
                Finding(
                    level: .problem, check: error.kind == .schema ? "schema" : "database", message: error.description,
                    mend: error.kind == .schema ? "run `tallypost init`" : nil))
        }
        return findings
    }

    /// 3.51.3, the first without the bug described in ``libraryFinding()``.
    private static let soundVersion = 3_051_003

    /// Before 3.51.3 a checkpoint that races another connection's commit can lose that commit. We never checkpoint, so it
    /// is the application's own connections that could.
    private func libraryFinding() -> Finding {
        let text = SQLiteConnection.libraryVersionText
        guard SQLiteConnection.libraryVersion < Self.soundVersion else {
            return Finding(level: .good, check: "sqlite", message: "SQLite \(text)")
        }
        return Finding(
            level: .warning, check: "sqlite",
            message: "SQLite \(text): before 3.51.3 a checkpoint that races a commit of another process can lose that commit",
            mend:
                "tallypost never checkpoints; let the application use SQLite 3.51.3 or newer, or checkpoint from one process only"
        )
    }

    private func permissionFindings() -> [Finding] {
        var findings: [Finding] = []
        for file in [path, path + "-wal", path + "-shm"] where unsafe access(file, F_OK) == 0 {
            if unsafe access(file, R_OK | W_OK) != 0 {
                findings.append(
                    Finding(
                        level: .problem, check: "permissions", message: "\(file) cannot be read and written",
                        mend: "give the relay's user and the application a common group with write permission on it"))
            }
        }
        if unsafe access(directory, W_OK | X_OK) != 0 {
            findings.append(
                Finding(
                    level: .problem, check: "permissions", message: "\(directory) cannot be written to",
                    mend:
                        "SQLite makes -wal and -shm files beside the database: give the relay's user write permission on the directory"
                ))
        }
        return findings.isEmpty
            ? [Finding(level: .good, check: "permissions", message: "the file and its directory can be written to")] : findings
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// WAL mode needs shared memory, which no network file system has.
    private func fileSystemFinding() -> Finding? {
        var facts = statfs()
        guard unsafe statfs(path, &facts) == 0 else { return nil }
        // NFS, SMB, CIFS, SMB2 (statfs(2)).
        let remote: Set<UInt32> = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42]
        guard remote.contains(UInt32(truncatingIfNeeded: facts.f_type)) else { return nil }
        return Finding(
            level: .problem, check: "database", message: "\(path) lies on a network file system, where WAL mode loses data",
            mend: "move it to a local disk, or use PostgreSQL")
    }

    /// Leases and due times are by the machine's clock: rows from the future say that it went back.
    private func clockFinding(_ connection: SQLiteConnection) throws(StoreError) -> Finding {
        let newest =
            try connection.prepare(
                """
                SELECT max(CAST(round((julianday(created_at) - 2440587.5) * 86400000.0) AS INTEGER))
                FROM (SELECT created_at FROM pending_tasks ORDER BY id DESC LIMIT 100)
                """, operation: "diagnose"
            ).firstRow { $0.time(0) } ?? nil
        guard let newest, newest - .machineNow > .minutes(5) else {
            return Finding(level: .good, check: "clock", message: "no recent row was created in the future")
        }
        return Finding(
            level: .warning, check: "clock", message: "a row was created at \(newest.iso8601), later than this machine's clock",
            mend: "check the clocks of this machine and of the application's (chronyc tracking, timedatectl)")
    }

    /// Nobody checkpoints: the log grows and every read gets slower.
    private func logFinding() -> Finding {
        var facts = stat()
        let size = unsafe stat(path + "-wal", &facts) == 0 ? Int(facts.st_size) : 0
        guard size > 256 << 20 else {
            return Finding(level: .good, check: "log", message: "the write-ahead log is \(size >> 20) MiB")
        }
        return Finding(
            level: .warning, check: "log",
            message: "the write-ahead log is \(size >> 20) MiB: nobody checkpoints, or a reader never ends",
            mend:
                "tallypost never checkpoints: let the application do so (its default, wal_autocheckpoint, or PRAGMA wal_checkpoint)"
        )
    }
}
