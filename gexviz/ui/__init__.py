"""What the app's pages share."""
