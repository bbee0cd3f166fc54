"""From scores to ids on the device: rules, searches, and who takes part in them. Definition: the package generation."""
