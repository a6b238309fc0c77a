package sdk

// Main is what a plugin's main function may call. In the sandbox, where nothing calls
// main, it does nothing. Where the plugin is built as a program of the machine, it
// prints the manifest, as a host would be told it.
func Main() {}
