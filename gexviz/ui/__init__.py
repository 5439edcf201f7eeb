"""What the app's pages share."""

from streamlit import net_util

net_util.get_external_ip = lambda: None  # for a foreign origin, Streamlit would ask a server elsewhere for our address
