import TallypostCore

/// The hidden `demo-shop DIRECTORY ORDERS SECONDS`: the shop's process.
enum ShopCommand {
    /// The first argument.
    static let name = "demo-shop"

    /// Takes the orders and ends.
    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.count == 3, let orders = Int(arguments[1]), let seconds = Int(arguments[2]) else { return 64 }
        do throws(StoreError) {
            try Shop(database: "\(arguments[0])/shop.db", orders: orders, seconds: seconds).open()
            return 0
        } catch {
            print(error)
            return 70
        }
    }
}
