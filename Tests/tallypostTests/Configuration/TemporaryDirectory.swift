import FoundationEssentials
import Testing

@testable import tallypost

/// A directory of one test, gone with it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = "/tmp/tallypost-test-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    /// Writes a file and returns its path.
    func write(_ text: String, to name: String) throws -> String {
        let file = "\(path)/\(name)"
        try Data(text.utf8).write(to: URL(filePath: file))
        return file
    }

    /// Loads a text as the configuration.
    func load(_ text: String, environment: [String: String] = [:], readsSecrets: Bool = true) throws -> Configuration {
        var sources = Configuration.Sources()
        sources.file = try write(text, to: "tallypost.json5")
        sources.environment = environment
        sources.readsSecrets = readsSecrets
        return try Configuration.load(sources)
    }

    /// What is refused in a text.
    func problems(_ text: String, environment: [String: String] = [:], readsSecrets: Bool = true) throws -> [ConfigurationProblem]
    {
        do {
            _ = try load(text, environment: environment, readsSecrets: readsSecrets)
            return []
        } catch let error as ConfigurationError {
            return error.problems
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
