import TallypostCore
import TallypostRelay

extension CommandServices {
    /// The real ones.
    static var live: CommandServices {
        CommandServices(
            openDesk: { database throws(StoreError) in try Engine(database).openDesk() },
            schemaKeeper: { database throws(StoreError) in try Engine(database).makeSchemaKeeper() },
            loadConfiguration: { sources throws(ConfigurationError) in try Configuration.load(sources) },
            reachReceiver: ReceiverProbe.obstacle,
            runRelay: { options throws(ConfigurationError) in
                let log = Log(level: options.logLevel, format: options.logFormat)
                return try RelayService(sources: options.sources, drains: options.drains, log: log).run()
            },
            runDemo: { options in DemoCommand.run(options) })
    }
}
