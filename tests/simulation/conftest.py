from tests.campaign.conftest import run

__all__ = ["run"]
