import FoundationEssentials
import TallypostCore

/// The system's time zones.
///
/// Foundation knows them only with ICU, which would triple the binary; so Debian's tzdata is read as it is.
struct ZoneDirectory {
    /// Where tzdata keeps them.
    var path = "/usr/share/zoneinfo"

    /// The zone of that name, "Europe/London". UTC needs no file.
    func zone(_ name: String) throws(ScheduleError) -> Zone {
        if name == "UTC" { return .utc }
        guard isName(name) else { throw ScheduleError("is no time zone; write a name such as \"Europe/London\", or \"UTC\"") }
        guard FileManager.default.fileExists(atPath: path) else {
            throw ScheduleError("there are no time zones in \(path): install Debian's tzdata, or write \"UTC\"")
        }
        guard let data = try? Data(contentsOf: URL(filePath: "\(path)/\(name)")) else {
            let hint =
                nearest(to: name).map { "; did you mean \"\($0)\"?" } ?? "; write a name such as \"Europe/London\", or \"UTC\""
            throw ScheduleError("there is no such time zone in \(path)\(hint)")
        }
        do { return try Zone(tzif: Array(data)) } catch { throw ScheduleError("this time zone cannot be used: \(error.reason)") }
    }

    /// Nothing that leads out of the directory.
    private func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return name.utf8.count <= 100
            && parts.allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { byte in
                        byte &- UInt8(ascii: "0") < 10 || (byte | 0x20) &- UInt8(ascii: "a") < 26 || "_+-".utf8.contains(byte)
                    }
            }
    }

    /// By the whole name, or by the city alone: "London".
    private func nearest(to name: String) -> String? {
        let names = self.names()
        if let name = names.first(where: { $0.hasSuffix("/\(name)") }) { return name }
        return NearestName.of(name, among: names)
    }

    /// All of them, from the directory itself: its tables leave names out that it has.
    private func names(under folder: String = "") -> [String] {
        guard let entries = try? FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)") else { return [] }
        var names: [String] = []
        for entry in entries.sorted() where isName(entry) && entry.utf8.first.map({ $0 &- UInt8(ascii: "A") < 26 }) ?? false {
            let name = folder.isEmpty ? entry : "\(folder)/\(entry)"
            let below = self.names(under: name)
            names += below.isEmpty ? [name] : below
        }
        return names
    }
}
