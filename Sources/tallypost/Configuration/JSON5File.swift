import FoundationEssentials

/// A file of JSON5, parsed, with the places of its keys: the configuration, the map of a ledger.
struct JSON5File {
    let tree: JSONValue
    let lines: KeyLines

    /// - Parameters:
    ///   - path: The file.
    ///   - option: What named it, `--config`; said where the file cannot be read.
    /// - Throws: That the file is not there, may not be read or is no JSON5, with the line.
    init(reading path: String, option: String) throws(ConfigurationProblem) {
        func refusal(_ message: String, line: Int? = nil) -> ConfigurationProblem {
            ConfigurationProblem(file: path, line: line, path: "", message: message)
        }
        let data: Data
        do { data = try Data(contentsOf: URL(filePath: path)) } catch {
            throw refusal(
                FileCheck.isReadable(path) ? "cannot be read" : "is not there, or this user may not read it; check \(option)")
        }
        lines = KeyLines(Array(data))
        // Asked before the parser, which says nothing of where, and which ends the process at some words (`0x0x`, `0x1e-`).
        if let fault = lines.fault { throw refusal("is no JSON5: \(fault.message)", line: fault.line) }
        do {
            let decoder = JSONDecoder()
            decoder.allowsJSON5 = true
            // A number that ends the text is read beyond its end, but for this.
            tree = try decoder.decode(JSONValue.self, from: data + [UInt8(ascii: "\n")])
        } catch {
            throw refusal("is no JSON5: it cannot be parsed")
        }
    }
}
