"""Task plug-ins: found, hashed, imported, checked and begun; nothing here opens a model or an engine."""
