"""Migration files as text, trees and operations: the readers that need no database."""
