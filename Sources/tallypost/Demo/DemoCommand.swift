import Glibc
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
            let errors = OutputWriter(descriptor: STDERR_FILENO)
            errors.line("tallypost: \(error)")
            errors.flush()
            return error.exitCode
        }
    }
}
