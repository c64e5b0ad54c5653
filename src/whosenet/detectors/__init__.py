"""What a thief looks with: detectors of trigger images and of marked models. One file a method."""
