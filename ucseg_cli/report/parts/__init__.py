"""Tables, notes and sentences that several answers share."""
