"""Adapters of NoticeStore."""
