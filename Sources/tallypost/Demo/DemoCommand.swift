import TallypostCore
import TallypostRelay

/// `tallypost demo`.
enum DemoCommand {
    static func run(_ options: DemoOptions) -> ExitCode {
        do throws(DemoError) {
            let signals = SignalDescriptor()
            let proof = try DemoDirector(options: options, signals: signals).run()
            return proof.holds ? .good : .fault
        } catch {
            print(error)
            return error.exitCode
        }
    }
}
