"""What a plug-in is built from: files, rows, the hub, list and record helpers, wordings; `listeval` names it all."""
