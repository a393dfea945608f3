"""What holds of the port to the last bit: checks that need neither an oracle nor a bound."""
