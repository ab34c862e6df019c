import TallypostCore

/// Reads the bodies of signals and heartbeats.
enum SignalBody {
    /// Why a body is refused.
    struct Fault: Error, Equatable {
        var problem = Problem.badRequest
        var detail: String
    }

    /// Bytes of a result, a progress or a checkpoint, without needless space.
    static let longest = 64 << 10

    /// `{"status":"completed"|"failed","result":…}`.
    static func signal(_ body: [UInt8]) throws(Fault) -> (isCompleted: Bool, result: String?) {
        let members = try members(of: body, known: ["status", "result"])
        guard let status = members["status"] else {
            throw Fault(detail: "status is missing; say \"completed\" or \"failed\"")
        }
        switch status.string {
        case "completed": return (true, try text(members, "result"))
        case "failed": return (false, try text(members, "result"))
        default: throw Fault(detail: "status must be \"completed\" or \"failed\"")
        }
    }

    /// `{"progress":…,"checkpoint":…}`; both may be left out, and the body too.
    static func heartbeat(_ body: [UInt8]) throws(Fault) -> (progress: String?, checkpoint: String?) {
        guard !body.isEmpty else { return (nil, nil) }
        let members = try members(of: body, known: ["progress", "checkpoint"])
        return (try text(members, "progress"), try text(members, "checkpoint"))
    }

    /// The members of the object that a body must be.
    private static func members(of body: [UInt8], known: [String]) throws(Fault) -> [String: JSONSource] {
        guard let source = JSONSource(body) else { throw Fault(detail: "the body is no JSON text") }
        guard let members = source.members else { throw Fault(detail: "the body must be a JSON object") }
        var found: [String: JSONSource] = [:]
        for (name, value) in members {
            guard known.contains(name) else {
                throw Fault(detail: "there is no member “\(name.prefix(64))”; known are \(known.joined(separator: " and "))")
            }
            guard found.updateValue(value, forKey: name) == nil else { throw Fault(detail: "\(name) stands twice") }
        }
        return found
    }

    /// The member's JSON text, compact; nil when it is not there, or null.
    private static func text(_ members: [String: JSONSource], _ name: String) throws(Fault) -> String? {
        guard let value = members[name], value.kind != .null else { return nil }
        let text = value.compact
        guard text.utf8.count <= longest else {
            throw Fault(problem: .contentTooLarge, detail: "\(name) may have \(longest) bytes")
        }
        return text
    }
}
