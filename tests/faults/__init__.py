"""What comes in from outside and means no good: it is refused in a sentence, or read rightly."""
