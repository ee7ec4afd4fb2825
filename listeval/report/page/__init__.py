"""One HTML page for what is read of runs: parts that the pages of one run, of several, and of a comparison share."""
