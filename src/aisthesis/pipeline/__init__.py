"""The stages of a study, each from the study folder to the study folder."""
