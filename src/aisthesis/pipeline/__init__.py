"""Former place of the stages of a study; scripts written for 0.1 find the most used here."""
