import FoundationEssentials
import TallypostCore

/// The answer to a batch: `{"failed":[{"idempotency_key":"…","error":"…"}]}`, or anything else, which fails none.
///
/// When an answer fails items and it cannot be told which, all of them are sent again: a double that a receiver knows by its key
/// is better than a task that is lost.
struct BatchAnswer: Decodable {
    private let failed: Failed?

    private struct Item: Decodable {
        var key: String
        var error: String?

        private enum CodingKeys: String, CodingKey {
            case key = "idempotency_key"
            case error
        }

        init(from decoder: any Decoder) throws {
            let members = try decoder.container(keyedBy: CodingKeys.self)
            key = try members.decode(String.self, forKey: .key)
            error = try? members.decode(String.self, forKey: .error)
        }
    }

    /// `failed` as receivers write it: the list, or a summary such as 0, false or null.
    private enum Failed: Decodable {
        case items([Item])
        case nobody
        case unknown

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let items = try? value.decode([Item].self) {
                self = .items(items)
            } else if value.decodeNil() || (try? value.decode(Bool.self)) == false || (try? value.decode(Double.self)) == 0 {
                self = .nobody
            } else {
                self = .unknown
            }
        }
    }

    static let longestReason = 500

    /// - Parameter keys: the items' idempotency keys.
    static func failures(in body: [UInt8], wasCut: Bool, of keys: Set<String>) -> Answer.ItemFailures {
        guard let answer = try? JSONDecoder().decode(BatchAnswer.self, from: Data(body)), !wasCut else {
            // No object, or none that can be read: only a list of failures that was broken off is a reason to doubt.
            guard body.first(where: { $0 > 0x20 }) == UInt8(ascii: "{"), speaksOfFailures(body) else { return .none }
            return .unclear("the batch's answer fails items, and cannot be read\(wasCut ? ": it is longer than 64 KiB" : "")")
        }
        switch answer.failed {
        case nil, .nobody: return .none
        case .unknown:
            return .unclear("\"failed\" in the batch's answer is no list of objects with an idempotency_key")
        case .items(let items):
            var reasons: [String: String] = [:]
            for item in items {
                guard keys.contains(item.key) else {
                    return .unclear(
                        "the batch's answer fails \"\(printable(item.key, atMost: 100))\", which is none of its items")
                }
                let error = item.error.map { printable($0, atMost: longestReason) } ?? ""
                reasons[item.key] = error.isEmpty ? "failed by the batch's answer" : "failed by the batch's answer: \(error)"
            }
            return reasons.isEmpty ? .none : .named(reasons)
        }
    }

    private static func speaksOfFailures(_ body: [UInt8]) -> Bool {
        let word = Array("\"failed\"".utf8)
        guard body.count >= word.count else { return false }
        return (0...(body.count - word.count)).contains { body[$0] == word[0] && body[$0..<$0 + word.count].elementsEqual(word) }
    }

    private static func printable(_ text: String, atMost count: Int) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(count).map { $0.value < 0x20 ? " " : $0 }))
    }
}
