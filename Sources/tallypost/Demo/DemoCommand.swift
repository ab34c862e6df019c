import TallypostCore
import TallypostRelay

/// `tallypost demo`.
enum DemoCommand {
    static func run(_ options: DemoOptions) -> Int32 {
        do throws(DemoError) {
            let signals = SignalDescriptor()
            let proof = try DemoDirector(options: options, signals: signals).run()
            return proof.holds ? 0 : 70
        } catch {
            print(error)
            return error.exitStatus
        }
    }
}
