package upstream

// PrivateAddressError is a connection that was not made because the address is
// not on the public net.
type PrivateAddressError struct{ Host, Address, Kind string }

func (e *PrivateAddressError) Error() string { return e.Kind }
